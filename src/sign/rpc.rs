//! The signature of Alibaba Cloud's RPC services, of which STS is one: HMAC-SHA1 over the sorted parameters.
//!
//! Source: <https://www.alibabacloud.com/help/en/sdk/product-overview/rpc-mechanism>

use super::v1;
use crate::escape;

/// The text that is signed. Parameters that are sent in the query and in the body are signed alike.
fn string_to_sign(method: &str, parameters: &[(&str, &str)]) -> String {
    let mut sorted = parameters.to_vec();
    sorted.sort_unstable();
    format!(
        "{method}&%2F&{}",
        escape::query(&escape::query_string(&sorted))
    )
}

/// The value of the parameter `Signature`.
pub(crate) fn signature(
    access_key_secret: &str,
    method: &str,
    parameters: &[(&str, &str)],
) -> String {
    let key = format!("{access_key_secret}&");
    v1::signature(&key, &string_to_sign(method, parameters))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the documentation.
    const PARAMETERS: [(&str, &str); 8] = [
        ("Timestamp", "2016-02-23T12:46:24Z"),
        ("Format", "XML"),
        ("AccessKeyId", "testid"),
        ("Action", "DescribeRegions"),
        ("SignatureMethod", "HMAC-SHA1"),
        ("SignatureNonce", "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf"),
        ("Version", "2014-05-26"),
        ("SignatureVersion", "1.0"),
    ];

    #[test]
    fn the_published_example_is_signed_as_published() {
        let text = "GET&%2F&AccessKeyId%3Dtestid%26Action%3DDescribeRegions%26Format%3DXML\
            %26SignatureMethod%3DHMAC-SHA1%26SignatureNonce%3D3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf\
            %26SignatureVersion%3D1.0%26Timestamp%3D2016-02-23T12%253A46%253A24Z%26Version%3D2014-05-26";
        assert_eq!(string_to_sign("GET", &PARAMETERS), text);
        let signed = signature("testsecret", "GET", &PARAMETERS);
        assert_eq!(signed, "OLeaidS1JvxuMvnyHOwuJ+uX5qY=");
        let posted = signature("testsecret", "POST", &PARAMETERS);
        assert_eq!(posted, "MxbnVAM4w6sft9xjVpe/GCKueuk=");
    }

    #[test]
    fn a_value_is_escaped_twice_over_all_its_bytes() {
        let text = string_to_sign("POST", &[("b", "a b*~/备"), ("a", "=&")]);
        let expected = "POST&%2F&a%3D%253D%2526%26b%3Da%2520b%252A~%252F%25E5%25A4%2587";
        assert_eq!(text, expected);
    }
}
