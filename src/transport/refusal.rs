//! What it means that a proxy refuses: pure.

use super::TransportErrorKind;

/// What a proxy's refusal means. ureq tells it in words, the status among them.
pub(super) fn refusal(words: &str) -> (TransportErrorKind, String) {
    use TransportErrorKind::{Hopeless, Unreached};
    let status = words
        .strip_prefix("proxy server responded ")
        .and_then(|status| status.split('/').next()?.parse::<u16>().ok());
    match status {
        Some(status @ 407) => (
            Hopeless,
            format!("it asks for a user and a password, or refuses those it was given ({status})"),
        ),
        Some(status @ (408 | 429 | 500..)) => (
            Unreached,
            format!("it has no way to the endpoint now ({status})"),
        ),
        Some(status) => (
            Hopeless,
            format!("it refuses to connect to the endpoint ({status})"),
        ),
        None => (Unreached, "it does not answer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_final_unless_the_proxy_may_find_a_way_later() {
        use TransportErrorKind::{Hopeless, Unreached};
        for (words, kind, said) in [
            ("proxy server responded 407/407", Hopeless, "password"),
            ("proxy server responded 403/403", Hopeless, "(403)"),
            ("proxy server responded 302/302", Hopeless, "(302)"),
            ("proxy server responded 502/502", Unreached, "(502)"),
            ("proxy server responded 429/429", Unreached, "(429)"),
            ("proxy server did not respond", Unreached, "not answer"),
        ] {
            let (found, what) = refusal(words);
            assert_eq!(found, kind, "{words}");
            assert!(what.contains(said), "{what}");
        }
    }
}
