//! Lists: the parts of an upload, the uploads of a bucket.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/listparts>

use crate::local_server::answer::Answer;
use crate::local_server::auth::xml_date;
use crate::local_server::error::OssError;
use crate::local_server::request::Request;
use crate::local_server::shared::Shared;
use crate::local_server::store::{Part, Upload};
use crate::local_server::xml::Xml;
use std::ops::RangeInclusive;

const PAGE: u64 = 1000;

pub(super) fn parts(shared: &Shared, request: &Request) -> Result<Answer, OssError> {
    let most = number(request, "max-parts", PAGE, 1..=PAGE)?;
    let marker = number(request, "part-number-marker", 0, 0..=u64::from(u16::MAX))?;
    let (bucket, key) = request.place();
    let upload = shared.store.upload(bucket, key, request.upload_id())?;
    let mut rest = upload
        .parts
        .iter()
        .filter(|(number, _)| u64::from(**number) > marker);
    let page: Vec<_> = rest.by_ref().take(most as usize).collect();
    let is_truncated = rest.next().is_some();
    let next = page.last().map_or(0, |(number, _)| u64::from(**number));

    let mut xml = Xml::new("ListPartsResult");
    xml.encoding_type(request.encoding());
    xml.element("Bucket", bucket);
    xml.name("Key", key, request.encoding());
    xml.element("UploadId", request.upload_id());
    let class = upload.headers.get("x-oss-storage-class");
    xml.element("StorageClass", class.map_or("Standard", |class| class));
    xml.number("PartNumberMarker", marker);
    xml.number("NextPartNumberMarker", next);
    xml.number("MaxParts", most);
    xml.element("IsTruncated", &is_truncated.to_string());
    for (number, part) in page {
        push_part(&mut xml, *number, part);
    }
    Ok(Answer::new(200).xml(xml.finish()))
}

fn push_part(xml: &mut Xml, number: u16, part: &Part) {
    xml.open("Part");
    xml.number("PartNumber", number.into());
    xml.element("LastModified", &xml_date(part.modified));
    xml.element("ETag", &format!("\"{}\"", part.etag));
    if let Some(crc) = part.crc {
        xml.number("HashCrc64ecma", crc);
    }
    xml.number("Size", part.len);
    xml.close("Part");
}

pub(super) fn uploads(shared: &Shared, request: &Request) -> Result<Answer, OssError> {
    let most = number(request, "max-uploads", PAGE, 1..=PAGE)? as usize;
    let text = |name| request.parameter(name).unwrap_or_default();
    let all = shared.store.uploads(Some(request.place().0));
    let mut entries = Entries::new(text("prefix"), text("delimiter"));
    let mut is_truncated = false;
    for (id, upload) in &all {
        if !is_after(request, upload, id) || !upload.key.starts_with(text("prefix")) {
            continue;
        }
        if entries.len() == most && !entries.is_in_last_prefix(&upload.key) {
            is_truncated = true;
            break;
        }
        entries.push(id, upload);
    }

    let encoding = request.encoding();
    let mut xml = Xml::new("ListMultipartUploadsResult");
    xml.encoding_type(encoding);
    xml.element("Bucket", request.place().0);
    xml.name("KeyMarker", text("key-marker"), encoding);
    xml.element("UploadIdMarker", text("upload-id-marker"));
    let (next_key, next_id) = entries.last.unwrap_or_default();
    xml.name("NextKeyMarker", next_key, encoding);
    xml.element("NextUploadIdMarker", next_id);
    xml.name("Delimiter", text("delimiter"), encoding);
    xml.name("Prefix", text("prefix"), encoding);
    xml.number("MaxUploads", most as u64);
    xml.element("IsTruncated", &is_truncated.to_string());
    for (id, upload) in &entries.uploads {
        xml.open("Upload");
        xml.name("Key", &upload.key, encoding);
        xml.element("UploadId", id);
        xml.element("Initiated", &xml_date(upload.initiated));
        xml.close("Upload");
    }
    for prefix in &entries.prefixes {
        xml.open("CommonPrefixes");
        xml.name("Prefix", prefix, encoding);
        xml.close("CommonPrefixes");
    }
    Ok(Answer::new(200).xml(xml.finish()))
}

/// One page of uploads. Those whose keys go on behind the delimiter are listed as one prefix.
struct Entries<'a> {
    prefix: &'a str,
    delimiter: &'a str,
    uploads: Vec<(&'a str, &'a Upload)>,
    prefixes: Vec<&'a str>,
    /// Key and id of the last one.
    last: Option<(&'a str, &'a str)>,
}

impl<'a> Entries<'a> {
    fn new(prefix: &'a str, delimiter: &'a str) -> Entries<'a> {
        Entries {
            prefix,
            delimiter,
            uploads: vec![],
            prefixes: vec![],
            last: None,
        }
    }

    fn len(&self) -> usize {
        self.uploads.len() + self.prefixes.len()
    }

    fn push(&mut self, id: &'a str, upload: &'a Upload) {
        self.last = Some((&upload.key, id));
        match self.common_prefix(&upload.key) {
            Some(prefix) if self.prefixes.last() == Some(&prefix) => {}
            Some(prefix) => self.prefixes.push(prefix),
            None => self.uploads.push((id, upload)),
        }
    }

    fn is_in_last_prefix(&self, key: &str) -> bool {
        let prefix = self.common_prefix(key);
        prefix.is_some() && self.prefixes.last().copied() == prefix
    }

    fn common_prefix<'k>(&self, key: &'k str) -> Option<&'k str> {
        if self.delimiter.is_empty() {
            return None;
        }
        let start = self.prefix.len();
        let at = key.get(start..)?.find(self.delimiter)?;
        Some(&key[..start + at + self.delimiter.len()])
    }
}

/// Whether an upload comes after the markers. The marker of ids counts only beside the marker of keys.
fn is_after(request: &Request, upload: &Upload, id: &str) -> bool {
    let marker = |name| request.parameter(name).filter(|m| !m.is_empty());
    let Some(key_marker) = marker("key-marker") else {
        return true;
    };
    match marker("upload-id-marker") {
        Some(id_marker) => (&*upload.key, id) > (key_marker, id_marker),
        None => &*upload.key > key_marker,
    }
}

fn number(
    request: &Request,
    name: &'static str,
    default: u64,
    allowed: RangeInclusive<u64>,
) -> Result<u64, OssError> {
    // oss2 sends empty ones.
    let Some(text) = request.parameter(name).filter(|text| !text.is_empty()) else {
        return Ok(default);
    };
    match text.parse() {
        Ok(number) if allowed.contains(&number) => Ok(number),
        _ => Err(OssError::argument("Invalid argument.", name, text)),
    }
}
