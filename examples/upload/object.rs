//! What the object is to be.

use crate::settings::Settings;
use crate::values::{Usage, choice, text, wrong};
use lexopt::Parser;
use oss_upload::{Callback, Encryption, Kms, ObjectAcl, StorageClass};

/// What OSS is to call once the object is stored, as far as it is known.
#[derive(Default)]
pub(crate) struct CallbackOptions {
    urls: Vec<String>,
    body: Option<Body>,
    variables: Vec<(String, String)>,
}

enum Body {
    Form(String),
    Json(String),
}

/// Takes an option of the object with its value; `false` when it is none.
pub(crate) fn take(
    name: &str,
    parser: &mut Parser,
    settings: &mut Settings,
) -> Result<bool, Usage> {
    match name {
        "content-type"
        | "cache-control"
        | "content-disposition"
        | "content-encoding"
        | "content-language"
        | "expires" => {
            let (name, value) = (name.to_owned(), text(parser)?);
            settings.add(move |upload| upload.header(&*name, &*value));
        }
        "meta" => {
            let (name, value) = pair(name, parser, '=')?;
            settings.add(move |upload| upload.meta(&*name, &*value));
        }
        "tag" => {
            let (key, value) = pair(name, parser, '=')?;
            settings.add(move |upload| upload.tag(&*key, &*value));
        }
        "header" => {
            let (name, value) = pair(name, parser, ':')?;
            settings.add(move |upload| upload.header(&*name, &*value));
        }
        "query" => {
            let (name, value) = pair(name, parser, '=')?;
            settings.add(move |upload| upload.query(&*name, &*value));
        }
        "acl" => {
            let acl = choice(name, parser, &ACLS)?;
            settings.add(move |upload| upload.acl(acl));
        }
        "storage-class" => {
            let class = choice(name, parser, &STORAGE_CLASSES)?;
            settings.add(move |upload| upload.storage_class(class));
        }
        "sse" => {
            let encryption = encryption(&text(parser)?)?;
            settings.add(move |upload| upload.encryption(encryption.clone()));
        }
        "forbid-overwrite" => settings.add(|upload| upload.forbid_overwrite()),
        "request-payer" => settings.add(|upload| upload.request_payer()),
        "traffic-limit" => {
            let limit = bits(name, parser)?;
            settings.add(move |upload| upload.traffic_limit(limit));
        }
        "content-md5" => settings.add(|upload| upload.content_md5()),
        _ => return Ok(false),
    }
    Ok(true)
}

const ACLS: [(&str, ObjectAcl); 4] = [
    ("default", ObjectAcl::Inherited),
    ("private", ObjectAcl::Private),
    ("public-read", ObjectAcl::PublicRead),
    ("public-read-write", ObjectAcl::PublicReadWrite),
];

const STORAGE_CLASSES: [(&str, StorageClass); 5] = [
    ("standard", StorageClass::Standard),
    ("ia", StorageClass::InfrequentAccess),
    ("archive", StorageClass::Archive),
    ("cold-archive", StorageClass::ColdArchive),
    ("deep-cold-archive", StorageClass::DeepColdArchive),
];

impl CallbackOptions {
    pub(crate) fn take(&mut self, name: &str, parser: &mut Parser) -> Result<bool, Usage> {
        match name {
            "callback-url" => self.urls.push(text(parser)?),
            "callback-body" => self.say(Body::Form(text(parser)?))?,
            "callback-json" => self.say(Body::Json(text(parser)?))?,
            "callback-var" => self.variables.push(pair(name, parser, '=')?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn say(&mut self, body: Body) -> Result<(), Usage> {
        crate::values::only(&mut self.body, body, "--callback-body and --callback-json")
    }

    /// Adds the call, once all options are taken.
    pub(crate) fn complete(self, settings: &mut Settings) -> Result<(), Usage> {
        let mut urls = self.urls.into_iter();
        let callback = match (urls.next(), self.body) {
            (None, None) if self.variables.is_empty() => return Ok(()),
            (Some(url), Some(Body::Form(body))) => Callback::form(url, body),
            (Some(url), Some(Body::Json(body))) => Callback::json(url, body),
            (None, _) => return wrong("a callback needs a --callback-url"),
            (Some(_), None) => {
                return wrong("a callback needs a --callback-body or a --callback-json");
            }
        };
        let callback = urls.fold(callback, Callback::or_url);
        let with = |callback: Callback, (name, value)| callback.variable(name, value);
        let callback = self.variables.into_iter().fold(callback, with);
        settings.add(move |upload| upload.callback(callback.clone()));
        Ok(())
    }
}

/// Two texts, without the white space around them.
fn pair(name: &str, parser: &mut Parser, separator: char) -> Result<(String, String), Usage> {
    let given = text(parser)?;
    match given.split_once(separator) {
        Some((key, value)) => Ok((key.trim().to_owned(), value.trim().to_owned())),
        None => wrong(format!("--{name} is K{separator}V, not `{given}`")),
    }
}

fn encryption(given: &str) -> Result<Encryption, Usage> {
    match given.split_once(':').unwrap_or((given, "")) {
        ("aes256", "") => Ok(Encryption::Aes256),
        ("sm4", "") => Ok(Encryption::Sm4),
        ("kms", "") => Ok(Kms::new().into()),
        ("kms", key) => Ok(Kms::new().key_id(key).into()),
        _ => wrong(format!(
            "--sse is aes256, sm4, kms or kms:KEY, not `{given}`"
        )),
    }
}

fn bits(name: &str, parser: &mut Parser) -> Result<u32, Usage> {
    let given = text(parser)?;
    match given.parse() {
        Ok(bits) => Ok(bits),
        Err(_) => wrong(format!(
            "--{name} is a number of bits a second, 819200 to 838860800, not `{given}`"
        )),
    }
}
