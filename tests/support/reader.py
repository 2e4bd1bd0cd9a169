"""Reads a ZIP with the Python standard library and prints a line for each file: hex(name) size crc32."""

import sys
import zipfile
import zlib

with zipfile.ZipFile(sys.argv[1]) as archive:
    for entry in archive.infolist():
        if entry.is_dir():
            continue
        size, crc = 0, 0
        with archive.open(entry) as file:
            while chunk := file.read(1 << 16):
                size += len(chunk)
                crc = zlib.crc32(chunk, crc)
        if size != entry.file_size:
            sys.exit(f"{entry.filename!r}: size {size}, claimed {entry.file_size}")
        print(entry.filename.encode().hex(), size, f"{crc:08x}")
