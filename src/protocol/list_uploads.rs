//! ListMultipartUploads: the open uploads of a bucket, a page of up to 1,000 at a time, sorted by key and then by id.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/listmultipartuploads>

use super::{Additions, Answer, Operation, Request, Unreadable, parse_http_date, xml};
use crate::endpoint::{check_key, check_upload_id};
use crate::escape;
use jiff::Timestamp;
use std::borrow::Cow;

const OPERATION: Operation = Operation::ListMultipartUploads;

/// Where a page begins: behind this upload.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Marker {
    pub(crate) key: String,
    /// Empty where the server named none: behind all uploads of the key.
    pub(crate) upload_id: String,
}

/// An upload that is neither complete nor aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedUpload {
    pub(crate) key: String,
    pub(crate) upload_id: String,
    pub(crate) initiated: Timestamp,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) uploads: Vec<ListedUpload>,
    /// The marker of the next page; `None` on the last.
    pub(crate) next: Option<Marker>,
    /// What the server's clock said when it answered.
    pub(crate) date: Option<Timestamp>,
}

/// Asks for the uploads whose keys begin with `prefix`, from the marker on.
pub(crate) fn request<'a>(
    prefix: &'a str,
    after: &'a Marker,
    additions: &'a Additions,
) -> Request<'a> {
    let query = [
        ("encoding-type", "url"),
        ("key-marker", after.key.as_str()),
        ("max-uploads", "1000"),
        ("prefix", prefix),
        ("upload-id-marker", after.upload_id.as_str()),
    ];
    let mut request = Request::new(OPERATION, "").adding(additions);
    let given = query.iter().filter(|(_, value)| !value.is_empty());
    request.query.extend(given);
    request.query.push(("uploads", ""));
    request
}

/// Reads a page of what was asked for. One that names other uploads, or leads back, is none: what is listed here may be
/// aborted.
pub(crate) fn read(answer: &Answer, prefix: &str, after: &Marker) -> Result<Page, Unreadable> {
    let page = xml::with_root(&answer.body, "ListMultipartUploadsResult", |root| {
        let encoding = Encoding::of(root);
        let listed = root.children("Upload");
        let uploads: Result<Vec<_>, String> = listed
            .map(|upload| read_upload(upload, encoding, prefix))
            .collect();
        let next = match root.text("IsTruncated") {
            Some("true") => Some(read_marker(root, encoding, after)?),
            Some("false") => None,
            other => {
                let said = xml::limited(other.unwrap_or_default(), 60);
                return Err(format!("has `{said}` as <IsTruncated>"));
            }
        };
        Ok(Page {
            uploads: uploads?,
            next,
            date: answer.header("date").and_then(parse_http_date),
        })
    });
    page.map_err(|why| Unreadable::new(OPERATION, why))
}

fn read_upload(
    upload: xml::Element<'_, '_>,
    encoding: Encoding,
    prefix: &str,
) -> Result<ListedUpload, String> {
    let key = encoding.decode(upload.required("Key")?)?;
    check_key(&key).map_err(|why| format!("names a <Key> that is none: {why}"))?;
    if !key.starts_with(prefix) {
        let key = xml::limited(&key, 60);
        return Err(format!("names `{key}`, which was not asked for"));
    }
    let upload_id = upload.required("UploadId")?;
    check_upload_id(upload_id).map_err(|why| format!("names an <UploadId> that is none: {why}"))?;
    let initiated = upload.required("Initiated")?;
    let time = initiated.parse().ok();
    let time = time.filter(|time| *time >= Timestamp::UNIX_EPOCH);
    let no_time = || {
        let shown = xml::limited(initiated, 60);
        format!("has `{shown}` as <Initiated>, which is no time of OSS")
    };
    Ok(ListedUpload {
        key: key.into_owned(),
        upload_id: upload_id.to_owned(),
        initiated: time.ok_or_else(no_time)?,
    })
}

/// The next page's marker. One that does not advance would lead nowhere for ever.
fn read_marker(
    root: xml::Element<'_, '_>,
    encoding: Encoding,
    after: &Marker,
) -> Result<Marker, String> {
    // SDKs and samples read the first name, one table of the documentation has the second.
    let id = root.text("NextUploadIdMarker");
    let id = id.or_else(|| root.text("NextUploadMarker"));
    let next = Marker {
        key: encoding
            .decode(root.required("NextKeyMarker")?)?
            .into_owned(),
        upload_id: id.unwrap_or_default().to_owned(),
    };
    check_key(&next.key).map_err(|why| format!("has a <NextKeyMarker> that is none: {why}"))?;
    if !next.upload_id.is_empty() {
        check_upload_id(&next.upload_id)?;
    }
    match next > *after {
        true => Ok(next),
        false => Err("leads nowhere: the next page's marker does not advance".to_owned()),
    }
}

/// How keys are written. A server that was asked to escape them and did not says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Url,
    Plain,
}

impl Encoding {
    fn of(root: xml::Element<'_, '_>) -> Encoding {
        match root.text("EncodingType") {
            Some("url") => Encoding::Url,
            _ => Encoding::Plain,
        }
    }

    fn decode(self, text: &str) -> Result<Cow<'_, str>, String> {
        match self {
            Encoding::Plain => Ok(Cow::Borrowed(text)),
            Encoding::Url => match escape::decode(text) {
                Some(decoded) => Ok(Cow::Owned(decoded)),
                None => {
                    let shown = xml::limited(text, 60);
                    Err(format!("has `{shown}`, which escapes no UTF-8"))
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::NOTHING_MORE;
    use super::*;

    const PAGE: &str = "<ListMultipartUploadsResult xmlns=\"http://doc.oss-cn-hangzhou.aliyuncs.com\">
<EncodingType>url</EncodingType><Bucket>b</Bucket><KeyMarker></KeyMarker><UploadIdMarker></UploadIdMarker>
<NextKeyMarker>backup%2Fa+b%20c</NextKeyMarker><NextUploadIdMarker>5D</NextUploadIdMarker>
<Prefix>backup%2F</Prefix><MaxUploads>2</MaxUploads><IsTruncated>true</IsTruncated>
<Upload><Key>backup%2F1%0A.bin</Key><UploadId>6E</UploadId><Initiated>2024-06-01T12:00:00.000Z</Initiated></Upload>
<Upload><Key>backup%2Fa+b%20c</Key><UploadId>5D</UploadId><Initiated>2024-06-02T12:00:00.500Z</Initiated></Upload>
</ListMultipartUploadsResult>";

    fn page_after(body: &str, after: &Marker) -> Result<Page, Unreadable> {
        let date = "Sat, 01 Jun 2024 12:03:04 GMT".to_owned();
        let answer = Answer {
            headers: [("date", date)].into_iter().collect(),
            body: body.as_bytes().to_vec(),
            ..Answer::default()
        };
        read(&answer, "backup/", after)
    }

    fn page(body: &str) -> Result<Page, Unreadable> {
        page_after(body, &Marker::default())
    }

    fn marker(key: &str, upload_id: &str) -> Marker {
        Marker {
            key: key.to_owned(),
            upload_id: upload_id.to_owned(),
        }
    }

    #[test]
    fn uploads_come_with_their_keys_decoded_and_the_server_s_time() {
        let page = page(PAGE).expect("a page");
        let [one, two] = &page.uploads[..] else {
            panic!("two uploads: {page:?}")
        };
        // A plus is a plus: a server that writes it for a space is not known.
        assert_eq!((&*one.key, &*one.upload_id), ("backup/1\n.bin", "6E"));
        assert_eq!((&*two.key, &*two.upload_id), ("backup/a+b c", "5D"));
        assert_eq!(one.initiated.to_string(), "2024-06-01T12:00:00Z");
        let date = page.date.map(|date| date.to_string());
        assert_eq!(date.as_deref(), Some("2024-06-01T12:03:04Z"));
    }

    #[test]
    fn the_id_marker_has_two_spellings_and_may_be_missing() {
        for (from, to, id) in [
            ("", "", "5D"),
            ("NextUploadIdMarker", "NextUploadMarker", "5D"),
            ("NextUploadIdMarker", "Unknown", ""),
        ] {
            let body = PAGE.replace(from, to);
            let next = page(&body).expect("a page").next;
            assert_eq!(next, Some(marker("backup/a+b c", id)), "{to}");
        }
    }

    #[test]
    fn keys_that_are_not_escaped_stay_as_they_are() {
        let body = PAGE.replace("<EncodingType>url</EncodingType>", "");
        let body = body.replace("backup%2F", "backup/");
        let page = page(&body).expect("a page");
        assert_eq!(page.uploads[0].key, "backup/1%0A.bin");
    }

    #[test]
    fn a_page_that_leads_nowhere_is_refused() {
        let last = "<IsTruncated>false</IsTruncated>";
        let last = PAGE.replace("<IsTruncated>true</IsTruncated>", last);
        for after in [
            marker("backup/a+b c", "5D"),
            marker("backup/a+b c", "6"),
            marker("backup/b", ""),
        ] {
            let why = page_after(PAGE, &after).expect_err("it does not advance").0;
            assert!(why.contains("leads nowhere"), "{why}");
            // The last page leads nowhere by right.
            let page = page_after(&last, &after).expect("the last page");
            assert_eq!(page.next, None);
        }
        assert!(page_after(PAGE, &marker("backup/a+b c", "5C")).is_ok());
    }

    #[test]
    fn a_page_that_contradicts_itself_is_refused() {
        for (from, to) in [
            ("<Key>backup%2F1%0A.bin<", "<Key>other%2F1.bin<"),
            ("<Key>backup%2F1%0A.bin<", "<Key>%2Fbackup%2F<"),
            ("<Key>backup%2F1%0A.bin<", "<Key>backup%2F%FF<"),
            ("<Key>backup%2F1%0A.bin<", "<Key><"),
            ("<UploadId>6E<", "<UploadId>6&#10;E<"),
            ("<UploadId>6E<", "<UploadId><"),
            ("2024-06-01T12:00:00.000Z", "yesterday"),
            ("2024-06-01T12:00:00.000Z", "1601-01-01T00:00:00Z"),
            ("<IsTruncated>true<", "<IsTruncated>maybe<"),
            ("<NextKeyMarker>backup%2Fa+b%20c<", "<NextKeyMarker><"),
            ("<NextUploadIdMarker>5D<", "<NextUploadIdMarker>5&#10;D<"),
        ] {
            let broken = PAGE.replace(from, to);
            assert_ne!(broken, PAGE);
            assert!(page(&broken).is_err(), "{to}");
        }
        assert!(page(&PAGE[..PAGE.len() / 2]).is_err());
    }

    #[test]
    fn a_first_page_names_no_markers_and_a_later_one_both() {
        let (first, later) = (Marker::default(), marker("k", "5D"));
        assert_eq!(
            request("", &first, &NOTHING_MORE).query,
            [
                ("encoding-type", "url"),
                ("max-uploads", "1000"),
                ("uploads", "")
            ]
        );
        let query = request("p", &later, &NOTHING_MORE).query;
        assert!(query.contains(&("key-marker", "k")), "{query:?}");
        assert!(query.contains(&("upload-id-marker", "5D")), "{query:?}");
        assert!(query.contains(&("prefix", "p")), "{query:?}");
    }
}
