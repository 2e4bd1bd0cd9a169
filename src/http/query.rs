//! Query strings, checked: a parameter that is unknown, or given twice where one is meant, is an error and not ignored.

use percent_encoding::percent_decode_str;
use url::form_urlencoded;

use super::Problem;

/// The parameters of one request.
#[derive(Debug)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Parses a query string, whose names must all be among `known`.
    ///
    /// # Errors
    /// 400 `malformed-query`.
    pub fn parse(query: Option<&str>, known: &[&str]) -> Result<Query, Problem> {
        let query = query.unwrap_or_default();
        if percent_decode_str(query).decode_utf8().is_err() {
            // The parser would put something else in its place, and so ask for other objects.
            return Err(Problem::malformed_query("the query is not UTF-8"));
        }
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        match pairs
            .iter()
            .find(|(name, _)| !known.contains(&name.as_str()))
        {
            Some((name, _)) => Err(Problem::malformed_query(&format!(
                "the parameter {name:?} is not known; there are: {}",
                known.join(", ")
            ))),
            None => Ok(Query(pairs)),
        }
    }

    /// A parameter that may be given once.
    ///
    /// # Errors
    /// 400 `malformed-query` where it is given more often.
    pub fn one<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, Problem> {
        let mut values = self.all(name);
        let first = values.next();
        match values.next() {
            Some(_) => Err(Problem::malformed_query(&format!(
                "the parameter {name:?} is given more than once"
            ))),
            None => Ok(first),
        }
    }

    /// All values of a parameter, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_checked() {
        let query = Query::parse(
            Some("prefix=a%2Fb+c%C3%BC&include=x&include=y"),
            &["prefix", "include"],
        )
        .unwrap();
        assert_eq!(query.one("prefix").unwrap(), Some("a/b cü"));
        assert_eq!(query.all("include").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(query.one("bucket").unwrap(), None);
        assert_eq!(query.one("include").unwrap_err().status(), 400);
        assert_eq!(
            Query::parse(Some("prefx=a"), &["prefix"])
                .unwrap_err()
                .status(),
            400
        );
        assert!(Query::parse(None, &[]).is_ok());
        assert!(Query::parse(Some("a=%FF"), &["a"]).is_err());
    }
}
