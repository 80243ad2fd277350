//! Files that anybody may have written: each is read or refused, and nothing panics.

use super::cli_profile::CliProfile;
use super::credentials_file::CredentialsFile;
use super::issued::{Kind, credentials};
use super::surroundings::Surroundings;
use proptest::prelude::*;

/// Bytes of profiles and issued credentials, cut and joined anyhow.
fn broken() -> impl Strategy<Value = Vec<u8>> {
    let scraps = prop::sample::select(vec![
        "[default]",
        "[",
        "]",
        "=",
        ":",
        ";",
        "#",
        " # ",
        "\n",
        "\r\n",
        " ",
        "\u{feff}",
        "type",
        "access_key",
        "access_key_id",
        "access_key_secret",
        "ram_role_arn",
        "role_arn",
        "acs:ram::1:role/r",
        "{",
        "}",
        "\"",
        "\"profiles\":[",
        "\"name\":\"default\"",
        "\"mode\":\"AK\"",
        ",",
        "null",
        "1e999",
        "\\u0000",
        "\"AccessKeyId\":",
        "\"AccessKeySecret\":",
        "\"Expiration\":\"2024-06-01T18:00:00Z\"",
        "\u{e9}",
        "duration_seconds=99999999999999999999",
        "\"expired_seconds\":18446744073709551615",
    ]);
    let scrap = prop_oneof![
        scraps.prop_map(|scrap| scrap.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(scrap, 0..40).prop_map(|scraps| scraps.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in broken()) {
        let around = || Surroundings::of(&[]);
        let _ = CliProfile::within(around()).profile(&bytes);
        let _ = CredentialsFile::within(around()).profile(&bytes);
        for kind in [Kind::Temporary, Kind::Any] {
            if let Ok(issued) = credentials(&bytes, kind) {
                prop_assert!(issued.check().is_ok() && !issued.is_anonymous());
            }
        }
    }
}
