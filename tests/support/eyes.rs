//! What somebody sees of a page in a browser, and whether everybody can: themes, screens, the console, accessibility.

use std::path::PathBuf;

use fantoccini::Locator;
use fantoccini::wd::WebDriverCompatibleCommand;
use http::Method;
use serde_json::{Value, json};
use url::Url;

use super::browser::Browser;

/// A way of looking at a page.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// What screenshots are called by.
    pub name: &'static str,
    dark: bool,
    width: u32,
    height: u32,
}

/// On a large screen by day and by night, on a phone, and on the narrowest one.
pub const LOOKS: [Look; 4] = [
    Look {
        name: "light",
        dark: false,
        width: 1280,
        height: 900,
    },
    Look {
        name: "dark",
        dark: true,
        width: 1280,
        height: 900,
    },
    Look {
        name: "phone",
        dark: false,
        width: 390,
        height: 844,
    },
    Look {
        name: "narrow",
        dark: false,
        width: 320,
        height: 640,
    },
];

impl Browser {
    /// From now on pages are looked at so.
    pub async fn look(&self, look: Look) {
        let scheme = if look.dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", media)
            .await
            .expect("a colour scheme");
        let screen = json!({
            "width": look.width, "height": look.height, "deviceScaleFactor": 1, "mobile": look.width < 600,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", screen)
            .await
            .expect("a screen");
    }

    /// Opens a URL.
    pub async fn open(&self, url: &str) {
        self.client.goto(url).await.expect("a page");
    }

    /// The text of the first element of this kind.
    pub async fn text(&self, selector: &str) -> String {
        let element = self.client.find(Locator::Css(selector)).await;
        let element = element.unwrap_or_else(|error| panic!("{selector}: {error}"));
        element.text().await.expect("text")
    }

    /// Clicks on the first element of this kind.
    pub async fn click(&self, selector: &str) {
        let element = self.client.find(Locator::Css(selector)).await;
        let element = element.unwrap_or_else(|error| panic!("{selector}: {error}"));
        element
            .click()
            .await
            .unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Waits until the first element of this kind shows what is wanted.
    pub async fn shows(&self, selector: &str, wanted: &str) {
        for _ in 0..3000 {
            let found = self.client.find(Locator::Css(selector)).await;
            // An element that is being replaced has no text.
            if let Ok(element) = found
                && let Ok(text) = element.text().await
                && text.contains(wanted)
            {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("{selector} does not show {wanted:?}");
    }

    /// What the page's script finds.
    pub async fn finds(&self, script: &str) -> Value {
        let found = self.client.execute(script, Vec::new()).await;
        found.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// The page is all right: nothing went wrong in it, nothing came from elsewhere, nothing sticks out, and everybody
    /// can use it. Where `SHEAF_SCREENSHOTS` names a folder, a picture of it is kept there.
    pub async fn approves(&self, page: &str, look: Look) {
        let what = format!("{page}, {}", look.name);
        assert_eq!(self.console().await, Vec::<String>::new(), "{what}");
        let elsewhere = self
            .finds(
                "return performance.getEntriesByType('resource').map(entry => entry.name)
                    .filter(name => new URL(name).origin !== location.origin)",
            )
            .await;
        assert_eq!(elsewhere, json!([]), "{what}");
        // A phone makes room for what sticks out: `innerWidth` grows with it.
        let wide = "return Math.max(document.documentElement.scrollWidth, innerWidth)";
        let wide = self.finds(wide).await.as_u64().expect("a width");
        assert!(wide <= u64::from(look.width), "{what}: {wide} pixels wide");
        let sticks_out = "const edge = document.querySelector('#files')?.getBoundingClientRect().right;
            return [...document.querySelectorAll('#files *')]
                .filter(element => element.getBoundingClientRect().right > edge).map(element => element.outerHTML)";
        assert_eq!(self.finds(sticks_out).await, json!([]), "{what}");
        if let Some(folder) = std::env::var_os("SHEAF_SCREENSHOTS") {
            let picture = json!({"captureBeyondViewport": true});
            let picture = self.devtools("Page.captureScreenshot", picture).await;
            let picture = picture.expect("a picture");
            use base64::Engine;
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(picture["data"].as_str().expect("a picture"))
                .expect("base64");
            let path = PathBuf::from(folder).join(format!("{page}-{}.png", look.name));
            std::fs::write(path, bytes).expect("a folder for pictures");
        }
        if let Some(axe) = axe() {
            let source = std::fs::read_to_string(axe).expect("axe-core");
            self.finds(&source).await;
            let run = "const done = arguments[arguments.length - 1];
                axe.run().then(found => done(found.violations
                    .filter(violation => ['serious', 'critical'].includes(violation.impact))
                    .map(violation => violation.id + ': ' + violation.nodes.map(node => node.html).join(' '))))";
            let found = self.client.execute_async(run, Vec::new()).await;
            assert_eq!(found.expect("findings"), json!([]), "{what}");
        }
    }

    /// Warnings and errors of the console since it was last asked.
    pub async fn console(&self) -> Vec<String> {
        let entries = self.client.issue_cmd(Console).await.expect("the console");
        let entries = entries.as_array().cloned().unwrap_or_default();
        entries
            .iter()
            .map(|entry| entry["message"].to_string())
            .collect()
    }
}

/// axe-core, from npm; `.ci/run` installs it.
fn axe() -> Option<PathBuf> {
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let path = home.join(".cache/sheaf-axe/node_modules/axe-core/axe.min.js");
    if path.is_file() {
        return Some(path);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "axe-core is not installed"
    );
    println!(
        "skipped: axe-core is not installed (npm install --prefix ~/.cache/sheaf-axe axe-core)"
    );
    None
}

/// chromedriver's log of the console.
#[derive(Debug)]
struct Console;

impl WebDriverCompatibleCommand for Console {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _url: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({"type": "browser"}).to_string()))
    }
}
