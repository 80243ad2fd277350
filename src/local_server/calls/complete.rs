//! Complete: the one call in which an object comes into being out of parts.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/completemultipartupload>

use super::body::Received;
use super::metadata::check_acl;
use super::upload::check_part_number;
use crate::escape;
use crate::local_server::answer::Answer;
use crate::local_server::callback::{Told, call_back};
use crate::local_server::content::{Content, Reader};
use crate::local_server::error::OssError;
use crate::local_server::request::Request;
use crate::local_server::shared::Shared;
use crate::local_server::store::{Part, Upload, folded_crc, multipart_etag};
use crate::local_server::stored::Stored;
use crate::local_server::xml::Xml;
use roxmltree::{Document, Node};

/// Every part but the last has at least so many bytes.
const MIN_PART: u64 = 102_400;
const MAX_PARTS: usize = 10_000;
const EXISTS: &str = "0042-00000214";

/// A part as the client lists it.
#[derive(Debug)]
struct Listed {
    number: u16,
    etag: String,
}

pub(super) fn admit(shared: &Shared, request: &Request) -> Result<(), OssError> {
    check_acl(request)?;
    let (bucket, key) = request.place();
    (shared.store).upload_headers(bucket, key, request.upload_id())?;
    Ok(())
}

pub(super) fn complete(
    shared: &Shared,
    request: &Request,
    request_id: &str,
    received: Received,
) -> Result<Answer, OssError> {
    let (bucket, key) = request.place();
    let upload_id = request.upload_id();
    let upload = shared.store.upload(bucket, key, upload_id)?;
    let parts = choose_parts(request, &upload, &body_text(received)?)?;
    check_sizes(&parts)?;
    let object = assemble(shared, request, upload, &parts);
    let (bare_etag, mime_type) = (object.etag.clone(), object.headers["content-type"].clone());
    let told = Told {
        bucket,
        key,
        etag: &bare_etag,
        len: object.len,
        mime_type: &mime_type,
        crc: object.crc,
        md5: None,
        operation: "CompleteMultipartUpload",
        request_id,
        now: shared.now(),
    };
    let overwrite = request.overwrite(EXISTS);
    (shared.store).complete(bucket, key, upload_id, &parts, object, overwrite)?;

    let etag = format!("\"{bare_etag}\"");
    let mut answer = Answer::new(200).header("ETag", &*etag);
    if let Some(crc) = told.crc {
        answer = answer.header("x-oss-hash-crc64ecma", crc.to_string());
    }
    let answer = answer.xml(result(request, &etag));
    call_back(request, &told, shared.callback_timeout, answer)
}

fn body_text(received: Received) -> Result<String, OssError> {
    let mut bytes = Vec::new();
    let reader = received.content.open();
    let read = reader.and_then(|reader: Reader| {
        reader.each_piece(0..received.len, |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })
    });
    read.map_err(|error| OssError::internal(&error))?;
    String::from_utf8(bytes).map_err(|_| OssError::malformed_xml())
}

/// The stored parts of which the object is made.
fn choose_parts(request: &Request, upload: &Upload, body: &str) -> Result<Vec<Part>, OssError> {
    match request.header("x-oss-complete-all") {
        None => {
            let listed = parse(body)?;
            check_order(&listed)?;
            find_parts(upload, &listed, request.upload_id())
        }
        Some("yes") if !body.is_empty() => Err(OssError::argument(
            "Should not speficy both complete all header and http body.",
            "x-oss-complete-all",
            "yes",
        )
        .ec("0042-00000216")),
        Some("yes") if !upload.parts.is_empty() => Ok(upload.parts.values().cloned().collect()),
        Some(other) => Err(OssError::argument(
            "The upload has no parts, or the header is not yes.",
            "x-oss-complete-all",
            other,
        )),
    }
}

fn parse(body: &str) -> Result<Vec<Listed>, OssError> {
    let document = Document::parse(body).map_err(|_| OssError::malformed_xml())?;
    let root = document.root_element();
    if root.tag_name().name() != "CompleteMultipartUpload" {
        return Err(OssError::malformed_xml());
    }
    let listed: Vec<Listed> = elements(root).map(parse_part).collect::<Result<_, _>>()?;
    if listed.is_empty() || listed.len() > MAX_PARTS {
        return Err(OssError::malformed_xml());
    }
    Ok(listed)
}

fn elements<'a, 'input>(node: Node<'a, 'input>) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(Node::is_element)
}

fn parse_part(part: Node<'_, '_>) -> Result<Listed, OssError> {
    if part.tag_name().name() != "Part" {
        return Err(OssError::malformed_xml());
    }
    let (mut number, mut etag) = (None, None);
    for child in elements(part) {
        let text = child.text().unwrap_or_default().trim();
        let slot = match child.tag_name().name() {
            "PartNumber" => &mut number,
            "ETag" => &mut etag,
            _ => return Err(OssError::malformed_xml()),
        };
        if slot.replace(text).is_some() {
            return Err(OssError::malformed_xml());
        }
    }
    let (number, etag) = number.zip(etag).ok_or_else(OssError::malformed_xml)?;
    Ok(Listed {
        number: check_part_number(number)?,
        etag: etag.trim_matches('"').to_owned(),
    })
}

fn check_order(listed: &[Listed]) -> Result<(), OssError> {
    if listed.windows(2).all(|two| two[0].number < two[1].number) {
        return Ok(());
    }
    let message = "The list of parts was not in ascending order. Parts list must specified in order by \
                   part number.";
    Err(OssError::new(400, "InvalidPartOrder", message).ec("0042-00000209"))
}

fn find_parts(upload: &Upload, listed: &[Listed], upload_id: &str) -> Result<Vec<Part>, OssError> {
    let find = |listed: &Listed| {
        let stored = upload.parts.get(&listed.number);
        stored
            .filter(|part| part.etag.eq_ignore_ascii_case(&listed.etag))
            .cloned()
            .ok_or_else(|| invalid_part(listed, upload_id))
    };
    listed.iter().map(find).collect()
}

fn invalid_part(listed: &Listed, upload_id: &str) -> OssError {
    let message = "One or more of the specified parts could not be found or the specified entity tag \
                   might not have matched the part's entity tag.";
    OssError::new(400, "InvalidPart", message)
        .detail("ETag", &*listed.etag)
        .detail("PartNumber", listed.number.to_string())
        .detail("UploadId", upload_id)
        .ec("0042-00000210")
}

fn check_sizes(parts: &[Part]) -> Result<(), OssError> {
    let all_but_last = parts.split_last().map_or(&[][..], |(_, rest)| rest);
    if all_but_last.iter().all(|part| part.len >= MIN_PART) {
        return Ok(());
    }
    let message = "Your proposed upload smaller than the minimum allowed size.";
    Err(OssError::new(400, "EntityTooSmall", message).ec("0042-00000213"))
}

fn assemble(shared: &Shared, request: &Request, upload: Upload, parts: &[Part]) -> Stored {
    let mut headers = upload.headers;
    if let Some(acl) = request.header("x-oss-object-acl") {
        headers.insert("x-oss-object-acl".to_owned(), acl.to_owned());
    }
    Stored {
        len: parts.iter().map(|part| part.len).sum(),
        etag: multipart_etag(parts),
        md5: None,
        crc: folded_crc(parts),
        headers,
        parts: Some(parts.len()),
        modified: shared.now(),
        // The store joins the parts.
        content: Content::Discarded,
    }
}

fn result(request: &Request, etag: &str) -> Vec<u8> {
    let (bucket, key) = request.place();
    let mut xml = Xml::new("CompleteMultipartUploadResult");
    xml.encoding_type(request.encoding());
    let location = format!("http://{}/{}", request.host(), escape::query(key));
    xml.element("Location", &location);
    xml.element("Bucket", bucket);
    xml.name("Key", key, request.encoding());
    xml.element("ETag", etag);
    xml.finish()
}
