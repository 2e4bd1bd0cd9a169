//! Switches that a variable of the environment can set: only words that are known turn one on or off.

use std::ffi::OsStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;

/// Turn a switch on; case does not matter.
const ON: [&str; 4] = ["1", "true", "yes", "on"];

/// Leave it off.
const OFF: [&str; 4] = ["0", "false", "no", "off"];

/// Parses a switch. A word that is not known is a mistake, never a yes.
#[derive(Clone, Copy, Debug)]
pub struct Switch;

impl TypedValueParser for Switch {
    type Value = bool;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<bool, clap::Error> {
        let is = |word: &&str| value.eq_ignore_ascii_case(word);
        match (ON.iter().any(is), OFF.iter().any(is)) {
            (true, _) => Ok(true),
            (_, true) => Ok(false),
            (false, false) => {
                let variable = arg.and_then(clap::Arg::get_env).unwrap_or_default();
                let message = format!(
                    "{}: {:?} is none of {} and {}",
                    variable.display(),
                    value.display().to_string(),
                    ON.join(", "),
                    OFF.join(", ")
                );
                Err(clap::Error::raw(ErrorKind::InvalidValue, message).with_cmd(command))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(word: &str) -> Result<bool, clap::Error> {
        let arg = clap::Arg::new("switch").env("SHEAF_SWITCH");
        Switch.parse_ref(&clap::Command::new("sheaf"), Some(&arg), word.as_ref())
    }

    #[test]
    fn known_words_are_taken_in_any_case() {
        for word in ["1", "true", "TRUE", "Yes", "on"] {
            assert!(parse(word).unwrap(), "{word}");
        }
        for word in ["0", "false", "False", "NO", "off"] {
            assert!(!parse(word).unwrap(), "{word}");
        }
    }

    #[test]
    fn other_words_are_mistakes_of_usage() {
        for word in [
            "none", "flase", "disabled", " false", "false ", "", "2", "-",
        ] {
            let error = parse(word).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{word:?}");
            let said = error.to_string();
            let whole =
                format!("SHEAF_SWITCH: {word:?} is none of 1, true, yes, on and 0, false, no, off");
            assert!(said.contains(&whole), "{said}");
        }
    }
}
