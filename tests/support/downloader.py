"""Downloads a URL as a script would; with a second argument, over HTTP/1.0."""

import http.client
import shutil
import sys
import urllib.request

if len(sys.argv) > 2:
    http.client.HTTPConnection._http_vsn = 10
    http.client.HTTPConnection._http_vsn_str = "HTTP/1.0"

with urllib.request.urlopen(sys.argv[1], timeout=60) as answer:
    with open(answer.headers.get_filename(), "wb") as file:
        shutil.copyfileobj(answer, file)
