//! ListParts: what the server has of an upload, a page of up to 1,000 parts at a time.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/listparts>

use super::{Additions, Answer, Operation, Request, Unreadable, digits, xml};
use crate::etag::ETag;

const OPERATION: Operation = Operation::ListParts;

pub(crate) fn request<'a>(
    key: &'a str,
    upload_id: &'a str,
    marker: &'a str,
    additions: &'a Additions,
) -> Request<'a> {
    Request::new(OPERATION, key)
        .query(&[
            ("encoding-type", "url"),
            ("max-parts", "1000"),
            ("part-number-marker", marker),
            ("uploadId", upload_id),
        ])
        .adding(additions)
}

/// A part as the server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedPart {
    pub(crate) number: u16,
    pub(crate) len: u64,
    pub(crate) etag: ETag,
    pub(crate) crc64: Option<u64>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) parts: Vec<ListedPart>,
    /// The marker of the next page; `None` on the last.
    pub(crate) next: Option<u32>,
}

pub(crate) fn read(answer: &Answer) -> Result<Page, Unreadable> {
    let page = xml::with_root(&answer.body, "ListPartsResult", |root| {
        let parts: Result<Vec<_>, String> = root.children("Part").map(read_part).collect();
        let next = match root.text("IsTruncated") {
            Some("true") => Some(root.number("NextPartNumberMarker")?),
            Some("false") => None,
            other => {
                let said = xml::limited(other.unwrap_or_default(), 60);
                return Err(format!("has `{said}` as <IsTruncated>"));
            }
        };
        Ok(Page {
            parts: parts?,
            next,
        })
    });
    page.map_err(|why| Unreadable::new(OPERATION, why))
}

fn read_part(part: xml::Element<'_, '_>) -> Result<ListedPart, String> {
    let etag = part.required("ETag")?;
    Ok(ListedPart {
        number: part.number("PartNumber")?,
        len: part.number("Size")?,
        etag: ETag::parse(etag).ok_or("has an <ETag> that is none")?,
        crc64: part.text("HashCrc64ecma").and_then(digits),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<ListPartsResult xmlns=\"http://doc.oss-cn-hangzhou.aliyuncs.com\"><UploadId>5D</UploadId>
<NextPartNumberMarker>7</NextPartNumberMarker><MaxParts>2</MaxParts><IsTruncated>true</IsTruncated>
<Part><PartNumber>1</PartNumber><LastModified>2024-06-01T12:00:01.000Z</LastModified>
<ETag>\"1A0F81547E5BA2E9C4A4B94A74731993\"</ETag><HashCrc64ecma>5409316634556368277</HashCrc64ecma><Size>102400</Size></Part>
<Part><PartNumber>7</PartNumber><ETag>&quot;1F4992776B17C8D08744F3D873F71A06&quot;</ETag><HashCrc64ecma></HashCrc64ecma>
<Size>5368709120</Size></Part></ListPartsResult>";

    fn page(body: &str) -> Result<Page, Unreadable> {
        read(&Answer {
            body: body.as_bytes().to_vec(),
            ..Answer::default()
        })
    }

    #[test]
    fn parts_come_with_gaps_and_perhaps_without_crc() {
        let page = page(PAGE).expect("a page");
        assert_eq!(page.next, Some(7));
        let [one, seven] = &page.parts[..] else {
            panic!("two parts: {page:?}")
        };
        assert_eq!((one.number, one.len), (1, 102_400));
        assert_eq!(one.crc64, Some(5_409_316_634_556_368_277));
        assert_eq!(
            (seven.number, seven.len, seven.crc64),
            (7, 5_368_709_120, None)
        );
    }

    #[test]
    fn a_page_that_contradicts_itself_is_refused() {
        for (from, to) in [
            ("<PartNumber>7<", "<PartNumber>70000<"),
            ("<PartNumber>7<", "<PartNumber>+7<"),
            ("<Size>102400<", "<Size>-1<"),
            ("<IsTruncated>true<", "<IsTruncated>maybe<"),
            ("<NextPartNumberMarker>7<", "<NextPartNumberMarker><"),
            ("<ETag>\"1A0F81547E5BA2E9C4A4B94A74731993\"<", "<ETag>\"\"<"),
        ] {
            let broken = PAGE.replace(from, to);
            assert_ne!(broken, PAGE);
            assert!(page(&broken).is_err(), "{to}");
        }
        assert!(page(&PAGE[..PAGE.len() / 2]).is_err());
    }
}
