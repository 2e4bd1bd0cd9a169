//! Include patterns, the globs of shells: `*` stands for any characters, `?` for one, `[a-z]` for one of these and `[!a-z]`
//! for one of the others, `{a,b}` for either, `**/` for folders or none, and `\*` for a star.
//!
//! Keys are no paths: `*` crosses `/`. Case does not matter.

use std::sync::Arc;

use glob::{MatchOptions, Pattern, PatternError};

const OPTIONS: MatchOptions = MatchOptions {
    // Both sides are lower-cased: `glob` folds ASCII only.
    case_sensitive: true,
    require_literal_separator: false,
    require_literal_leading_dot: false,
};

/// So many stars stand for any number of folders, in front of `/` and something else.
const FOLDERS: usize = 2;

/// The most stars and choices of a pattern, each of which is a call within a call.
const DEEPEST: usize = 1024;

/// Patterns that are alternatives. Clones share them.
#[derive(Clone, Debug)]
pub struct Patterns(Arc<[Meant]>);

#[derive(Debug)]
enum Meant {
    /// As most are: `*` alone or with an ending.
    Ending(Box<str>),
    Glob(Pattern),
}

/// Why a pattern means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// As in `[a`.
    #[error("a [ has no ] (for the character itself: \\[)")]
    OpenClass,
    /// As in `[z-a]`.
    #[error("nothing is between {0} and {1}, in this order")]
    Range(char, char),
    /// As in `{a`.
    #[error("a {{ has no }} (for the character itself: \\{{)")]
    OpenChoice,
    /// As in `a}`.
    #[error("a }} has no {{ (for the character itself: \\}})")]
    ClosedChoice,
    /// As in `a\`.
    #[error("nothing follows the \\ at its end (for the character itself: \\\\)")]
    Escape,
    /// As in `{a,b}{a,b}{a,b}…`.
    #[error("its choices stand for more than {most} characters of patterns")]
    Choices {
        /// The most that may be.
        most: usize,
    },
    /// More of them than are ever sensible.
    #[error("it has {count} stars and choices; at most {DEEPEST} are taken")]
    Deep {
        /// How many it has.
        count: usize,
    },
    /// Whatever else.
    #[error("{0}")]
    Other(&'static str),
}

impl Patterns {
    /// Parses patterns. With every choice written out, they may have `most` characters.
    ///
    /// # Errors
    /// The first that is malformed, and why.
    pub fn parse<'a>(patterns: &[&'a str], most: usize) -> Result<Patterns, (&'a str, Malformed)> {
        let mut parsed = Vec::new();
        let mut left = most;
        for &pattern in patterns {
            let count = depth(pattern);
            if count > DEEPEST {
                return Err((pattern, Malformed::Deep { count }));
            }
            let lower = pattern.to_lowercase();
            let mut parser = Parser {
                rest: lower.chars(),
                left,
                most,
            };
            let meant = parser.branches(false);
            for branch in meant.map_err(|malformed| (pattern, malformed))? {
                let meant = Meant::of(&written(&branch));
                parsed.push(meant.map_err(|error| (pattern, Malformed::Other(error.msg)))?);
            }
            left = parser.left;
        }
        Ok(Patterns(parsed.into()))
    }

    /// Whether one of them matches all of this text.
    pub fn match_text(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.0.iter().any(|meant| match meant {
            Meant::Ending(ending) => text.ends_with(&**ending),
            Meant::Glob(pattern) => pattern.matches_with(&text, OPTIONS),
        })
    }
}

impl Meant {
    fn of(glob: &str) -> Result<Meant, PatternError> {
        match glob.strip_prefix('*') {
            Some(ending) if !ending.contains(['*', '?', '[']) => Ok(Meant::Ending(ending.into())),
            _ => Pattern::new(glob).map(Meant::Glob),
        }
    }
}

/// A part of a pattern without choices.
#[derive(Clone)]
enum Part {
    Star,
    /// One character, or a class, as `glob` writes it.
    One(String),
}

impl Part {
    fn literal(character: char) -> Part {
        Part::One(Pattern::escape(character.encode_utf8(&mut [0; 4])))
    }
}

struct Parser<'a> {
    rest: std::str::Chars<'a>,
    /// How many more characters may be written.
    left: usize,
    most: usize,
}

impl Parser<'_> {
    /// Everything that the rest may stand for, up to the end of the choice that it is in.
    fn branches(&mut self, in_choice: bool) -> Result<Vec<Vec<Part>>, Malformed> {
        let mut finished = Vec::new();
        let mut current = vec![Vec::new()];
        loop {
            let part = match self.rest.next() {
                None if in_choice => return Err(Malformed::OpenChoice),
                None => break,
                Some('}') if in_choice => break,
                Some('}') => return Err(Malformed::ClosedChoice),
                Some(',') if in_choice => {
                    finished.append(&mut current);
                    current.push(Vec::new());
                    continue;
                }
                Some('{') => {
                    let choice = self.branches(true)?;
                    current = self.each_with_each(&current, &choice)?;
                    continue;
                }
                Some('*') => Part::Star,
                Some('?') => Part::One("?".to_owned()),
                Some('[') => Part::One(self.class()?),
                Some('\\') => Part::literal(self.rest.next().ok_or(Malformed::Escape)?),
                Some(literal) => Part::literal(literal),
            };
            self.write(current.len())?;
            for branch in &mut current {
                branch.push(part.clone());
            }
        }
        finished.append(&mut current);
        Ok(finished)
    }

    fn each_with_each(
        &mut self,
        heads: &[Vec<Part>],
        tails: &[Vec<Part>],
    ) -> Result<Vec<Vec<Part>>, Malformed> {
        let mut all = Vec::new();
        for head in heads {
            for tail in tails {
                // One more, so that branches without characters count too.
                self.write(head.len() + tail.len() + 1)?;
                all.push([&head[..], tail].concat());
            }
        }
        Ok(all)
    }

    fn write(&mut self, characters: usize) -> Result<(), Malformed> {
        let left = self.left.checked_sub(characters);
        self.left = left.ok_or(Malformed::Choices { most: self.most })?;
        Ok(())
    }

    /// A class, after its `[`. A `]` that comes first belongs to it.
    fn class(&mut self) -> Result<String, Malformed> {
        let mut class = String::from("[");
        let mut next = self.rest.next().ok_or(Malformed::OpenClass)?;
        if matches!(next, '!' | '^') {
            class.push('!');
            next = self.rest.next().ok_or(Malformed::OpenClass)?;
        }
        let mut members = vec![next];
        loop {
            match self.rest.next().ok_or(Malformed::OpenClass)? {
                ']' => break,
                member => members.push(member),
            }
        }
        let mut rest = &members[..];
        while let [first, others @ ..] = rest {
            rest = others;
            if let ['-', last, after @ ..] = others {
                if first > last {
                    return Err(Malformed::Range(*first, *last));
                }
                rest = after;
            }
        }
        class.extend(members);
        class.push(']');
        Ok(class)
    }
}

/// How many stars and choices there are; stars in a row are one.
fn depth(pattern: &str) -> usize {
    let before = std::iter::once(' ').chain(pattern.chars());
    let pairs = before.zip(pattern.chars());
    pairs
        .filter(|&(before, this)| this == '{' || (this == '*' && before != '*'))
        .count()
}

/// A pattern as `glob` reads it, which takes `**` for whole components only.
fn written(branch: &[Part]) -> String {
    let is_slash = |part: Option<&Part>| matches!(part, Some(Part::One(one)) if one == "/");
    let mut text = String::new();
    let mut index = 0;
    while let Some(part) = branch.get(index) {
        let stars = branch[index..].iter();
        let stars = stars.take_while(|part| matches!(part, Part::Star)).count();
        match part {
            Part::One(one) => text.push_str(one),
            Part::Star => {
                let begins = index == 0 || is_slash(branch.get(index - 1));
                let end = index + stars;
                let ends = is_slash(branch.get(end)) && branch.len() > end + 1;
                let folders = stars == FOLDERS && begins && ends;
                text.push_str(if folders { "**" } else { "*" });
            }
        }
        index += stars.max(1);
    }
    text
}

#[cfg(test)]
mod tests;
