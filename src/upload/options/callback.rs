//! Whom OSS calls once the object is stored, as two headers.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/callback>

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

const URLS: RangeInclusive<usize> = 1..=5;

/// What OSS takes of each of the two headers, in bytes.
const MAX_HEADER: usize = 5 << 10;

/// A request that OSS sends to a server of yours once the object is stored; what that server answers comes back in
/// [`Uploaded::callback_response`](crate::Uploaded::callback_response).
///
/// ```
/// use oss_upload::Callback;
///
/// let callback = Callback::form("https://app.example.com/stored", "key=${object}&size=${size}&by=${x:user}")
///     .variable("user", "alice");
/// ```
///
/// The body may name, as `${NAME}`, what OSS knows: `bucket`, `object`, `etag`, `size`, `mimeType`, `crc64`, `contentMd5`,
/// `imageInfo.height`, `imageInfo.width`, `imageInfo.format`, `vpcId`, `clientIp`, `reqId`, `operation`; and, as
/// `${x:NAME}`, each [variable](Self::variable).
///
/// OSS waits 5 s for the answer, whose status must be 200 and whose body JSON, and does not call again. The object stays
/// stored whatever becomes of the call; a failed one is [`ErrorKind::Callback`](crate::ErrorKind::Callback).
///
/// # How often it is called
///
/// Once for each time that OSS completes or stores the object. When the answer to CompleteMultipartUpload is lost, the
/// request is repeated with its callback, and OSS refuses it without a call if the first one had come through: so once.
/// When the answer to PutObject (a file of one part) is lost, the object is stored again and the call made again: at
/// least once. Let the server take the same call twice.
///
/// Its limits are checked by [`run`](crate::UploadFile::run): 1 to 5 URLs, 5 KiB for each of the two headers.
#[derive(Clone, PartialEq, Eq)]
#[must_use = "a callback does nothing until it is given to an upload"]
pub struct Callback {
    urls: Vec<String>,
    host: Option<String>,
    body: String,
    is_json: bool,
    sni: bool,
    variables: Vec<(String, String)>,
}

/// `x-oss-callback`, before it is base64.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Configuration<'a> {
    callback_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_host: Option<&'a str>,
    callback_body: &'a str,
    callback_body_type: &'static str,
    #[serde(rename = "callbackSNI", skip_serializing_if = "Option::is_none")]
    callback_sni: Option<bool>,
}

impl Callback {
    /// A POST of a form, `application/x-www-form-urlencoded`: OSS percent-encodes the values that it fills in.
    ///
    /// The URL begins with `http://` or `https://` and is percent-encoded where it is not ASCII.
    pub fn form(url: impl Into<String>, body: impl Into<String>) -> Callback {
        Callback {
            urls: vec![url.into()],
            host: None,
            body: body.into(),
            is_json: false,
            sni: false,
            variables: vec![],
        }
    }

    /// A POST of JSON, `application/json`: OSS puts quotes around the texts that it fills in, so that the body has none
    /// there: `{"key":${object},"size":${size}}`.
    pub fn json(url: impl Into<String>, body: impl Into<String>) -> Callback {
        Callback {
            is_json: true,
            ..Callback::form(url, body)
        }
    }

    /// Adds a URL that is called when those before it have failed: up to 5 in all.
    pub fn or_url(mut self, url: impl Into<String>) -> Callback {
        self.urls.push(url.into());
        self
    }

    /// Sets the `Host` header of the call. Default: that of the URL.
    pub fn host(mut self, host: impl Into<String>) -> Callback {
        self.host = Some(host.into());
        self
    }

    /// Lets OSS name the server in the TLS handshake (SNI), for servers with several certificates. Default: it does not.
    pub fn sni(mut self) -> Callback {
        self.sni = true;
        self
    }

    /// Adds a variable, which the body names as `${x:NAME}`. The name has lower-case letters, digits, `_`, `-` and `.`,
    /// and is given here without its `x:`.
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Callback {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// The headers that ask for the call. The error says what is wrong, and nothing of the URLs, which may hold secrets.
    pub(super) fn headers(&self) -> Result<Vec<(String, String)>, String> {
        self.check()?;
        let configuration = Configuration {
            callback_url: self.urls.join(";"),
            callback_host: self.host.as_deref(),
            callback_body: &self.body,
            callback_body_type: match self.is_json {
                true => "application/json",
                false => "application/x-www-form-urlencoded",
            },
            callback_sni: self.sni.then_some(true),
        };
        let mut headers = vec![("x-oss-callback".to_owned(), encoded(&configuration)?)];
        if !self.variables.is_empty() {
            let prefixed = |(name, value): &(String, String)| (format!("x:{name}"), value.clone());
            let variables: BTreeMap<String, String> = self.variables.iter().map(prefixed).collect();
            headers.push(("x-oss-callback-var".to_owned(), encoded(&variables)?));
        }
        Ok(headers)
    }

    fn check(&self) -> Result<(), String> {
        if !URLS.contains(&self.urls.len()) {
            return Err(format!(
                "a callback has {} to {} URLs, not {}",
                URLS.start(),
                URLS.end(),
                self.urls.len()
            ));
        }
        for (n, url) in (1..).zip(&self.urls) {
            check_url(url).map_err(|why| format!("URL {n} of the callback {why}"))?;
        }
        let is_host =
            |host: &String| !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic());
        if !self.host.iter().all(is_host) {
            return Err("the callback's host is not a host: printable ASCII, no spaces".to_owned());
        }
        self.check_variables()?;
        self.check_body()
    }

    fn check_variables(&self) -> Result<(), String> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(&b);
        let mut names: Vec<&str> = vec![];
        for (name, _) in &self.variables {
            if name.is_empty() || !name.bytes().all(allowed) {
                return Err(format!(
                    "`{}` is not a name of a callback's variable: lower-case letters, digits, `_`, `-` and `.`, \
                     without the `x:`",
                    name.escape_debug()
                ));
            }
            if names.contains(&&**name) {
                return Err(format!("the callback's variable `{name}` is given twice"));
            }
            names.push(name);
        }
        Ok(())
    }

    fn check_body(&self) -> Result<(), String> {
        if self.body.is_empty() {
            return Err("the callback's body is empty".to_owned());
        }
        let (names, rest) = placeholders(&self.body)?;
        for name in names.into_iter().filter_map(|name| name.strip_prefix("x:")) {
            if !self.variables.iter().any(|(known, _)| known == name) {
                return Err(format!(
                    "the callback's body names the variable `x:{}`, which is not given",
                    name.escape_debug()
                ));
            }
        }
        let is_json = || serde_json::from_str::<serde::de::IgnoredAny>(&rest).is_ok();
        match self.is_json && !is_json() {
            true => Err("the callback's body is not JSON".to_owned()),
            false => Ok(()),
        }
    }
}

/// Neither URLs nor bodies: they may hold secrets.
impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback")
            .field("urls", &self.urls.len())
            .field("is_json", &self.is_json)
            .field("variables", &self.variables.len())
            .finish_non_exhaustive()
    }
}

fn check_url(url: &str) -> Result<(), &'static str> {
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme))
        .ok_or("does not begin with `http://` or `https://`")?;
    if rest.is_empty() || rest.starts_with(['/', '?']) {
        return Err("names no host");
    }
    // A semicolon would begin the next URL.
    match url.bytes().all(|b| b.is_ascii_graphic() && b != b';') {
        true => Ok(()),
        false => {
            Err("has characters that must be percent-encoded: all but printable ASCII, and `;`")
        }
    }
}

/// The names in `${…}`, and the text with a `0` in place of each.
fn placeholders(body: &str) -> Result<(Vec<&str>, String), String> {
    let (mut names, mut text, mut rest) = (vec![], String::new(), body);
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after
            .split_once('}')
            .ok_or("a `${` in the callback's body has no `}`")?;
        text.extend([before, "0"]);
        names.push(name);
        rest = after;
    }
    text.push_str(rest);
    Ok((names, text))
}

fn encoded(value: &impl Serialize) -> Result<String, String> {
    let json = serde_json::to_vec(value).map_err(|error| error.to_string())?;
    let text = STANDARD.encode(json);
    match text.len() <= MAX_HEADER {
        true => Ok(text),
        false => Err(format!(
            "the callback, or its variables, come to {} bytes, and OSS takes {MAX_HEADER} of each",
            text.len()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://app.example.com/stored?a=b";

    fn decoded(callback: &Callback) -> Vec<String> {
        let headers = callback.headers().expect("legal");
        let text = |(_, value): &(String, String)| {
            String::from_utf8(STANDARD.decode(value).expect("base64")).expect("text")
        };
        headers.iter().map(text).collect()
    }

    #[test]
    fn the_headers_are_json_in_base64_with_the_documented_names() {
        let form = Callback::form(URL, "k=${object}&u=${x:user}&n=${x:n}")
            .or_url("http://127.0.0.1:8080")
            .host("app")
            .sni()
            .variable("user", "爱丽丝 \"A\"")
            .variable("n", "1");
        assert_eq!(
            decoded(&form),
            [
                "{\"callbackUrl\":\"https://app.example.com/stored?a=b;http://127.0.0.1:8080\",\
                 \"callbackHost\":\"app\",\"callbackBody\":\"k=${object}&u=${x:user}&n=${x:n}\",\
                 \"callbackBodyType\":\"application/x-www-form-urlencoded\",\"callbackSNI\":true}",
                "{\"x:n\":\"1\",\"x:user\":\"爱丽丝 \\\"A\\\"\"}"
            ]
        );
        assert_eq!(
            decoded(&Callback::json(URL, "{\"k\":${object},\"q\":\"${etag}\"}")),
            ["{\"callbackUrl\":\"https://app.example.com/stored?a=b\",\
              \"callbackBody\":\"{\\\"k\\\":${object},\\\"q\\\":\\\"${etag}\\\"}\",\
              \"callbackBodyType\":\"application/json\"}"]
        );
    }

    #[test]
    fn what_oss_would_refuse_is_refused_with_the_range() {
        let form = |url: &str| Callback::form(url, "a=b");
        let many = (0..5).fold(form(URL), |callback, _| callback.or_url(URL));
        for (callback, part_of_reason) in [
            (many, "1 to 5 URLs, not 6"),
            (form("app.example.com"), "`http://` or `https://`"),
            (form("http://"), "no host"),
            (form("http:///path"), "no host"),
            (form("http://a/备"), "percent-encoded"),
            (form("http://a/b c"), "percent-encoded"),
            (form("http://a/;http://b"), "percent-encoded"),
            (form(URL).or_url("ftp://a"), "URL 2"),
            (form(URL).host("a b"), "no spaces"),
            (form(URL).host(""), "not a host"),
            (Callback::form(URL, ""), "empty"),
            (Callback::form(URL, "a=${object"), "no `}`"),
            (Callback::form(URL, "a=${x:none}"), "`x:none`"),
            (Callback::json(URL, "a=b"), "not JSON"),
            (Callback::json(URL, "{\"a\":${object}"), "not JSON"),
            (form(URL).variable("x:a", "1"), "without the `x:`"),
            (form(URL).variable("A", "1"), "lower-case"),
            (form(URL).variable("", "1"), "lower-case"),
            (form(URL).variable("a", "1").variable("a", "2"), "twice"),
            (form(URL).variable("a", "v".repeat(3900)), "5120"),
            (Callback::form(URL, "v".repeat(3900)), "5120"),
        ] {
            let why = callback.headers().expect_err(part_of_reason);
            assert!(why.contains(part_of_reason), "{why}");
        }
        let longest = form(URL).variable("a", "v".repeat(3830));
        assert!(longest.headers().is_ok(), "5,120 bytes of base64");
    }

    #[test]
    fn neither_debug_nor_an_error_tells_what_may_be_secret() {
        let callback =
            Callback::form("ftp://user:secret@host/", "a=secret").variable("a", "secret");
        let why = callback.headers().expect_err("no scheme that OSS knows");
        assert!(!format!("{callback:?} {why}").contains("secret"));
    }
}
