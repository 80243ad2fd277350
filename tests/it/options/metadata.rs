//! User metadata: any text, as its bytes, over the wire, through both signatures and back.

use crate::support::{BUCKET, KEY, PART, Scene, bucket, client};
use oss_upload::local_server::{Fault, Operation};
use oss_upload::{SignatureVersion, UploadFile};

const TEXTS: [(&str, &str); 9] = [
    ("chinese", "备份 二〇二六"),
    ("emoji", "🦀👩‍👩‍👧🇨🇳"),
    ("percent", "100% %41 %"),
    ("plus", "a+b + c"),
    ("quotes", "\"a\" 'b' \\"),
    ("separators", "a, b; c: d=e & f"),
    ("inside", "a\u{3000}b\u{a0}c\u{2028}d"),
    ("latin", "Ærøskøbing é"),
    ("empty", ""),
];

fn with_texts(upload: UploadFile<'_>) -> UploadFile<'_> {
    TEXTS
        .into_iter()
        .fold(upload, |upload, (name, text)| upload.meta(name, text))
}

fn expect_texts(scene: &Scene) {
    let object = scene.server.object(BUCKET, KEY).expect("an object");
    for (name, text) in TEXTS {
        let kept = object.headers.get(&format!("x-oss-meta-{name}"));
        assert_eq!(kept.map(String::as_str), Some(text), "{name}");
    }
}

/// The object itself says that it is complete, which takes its metadata to read the same as they were written.
#[test]
fn any_text_travels_as_metadata_and_is_known_again() {
    for version in [SignatureVersion::V1, SignatureVersion::V4] {
        for n_parts in [1, 3] {
            let mut scene = Scene::with_parts(n_parts);
            scene.bucket = bucket(client(&scene.server).signature_version(version));
            scene.once(Fault::lose_answer(), Operation::CompleteMultipartUpload);
            let uploaded = with_texts(scene.upload()).run().expect("uploaded");
            expect_texts(&scene);
            assert_eq!(uploaded.restarts, []);
            let looks = scene.server.count(Operation::HeadObject);
            assert_eq!(looks, usize::from(n_parts == 3));
            scene.expect_done(&uploaded);
        }
    }
}

#[test]
fn an_object_with_other_metadata_is_not_taken_for_ours() {
    let scene = Scene::with_parts(3);
    let denied = Fault::deny()
        .on(Operation::CompleteMultipartUpload)
        .times(1);
    scene.server.fault(denied);
    with_texts(scene.upload()).run().expect_err("interrupted");
    // Somebody else puts the same bytes there, with other texts.
    let other = scene.bucket.upload_file(KEY, &scene.file).part_size(PART);
    let other = other.meta("chinese", "备份").run().expect("uploaded");
    assert!(scene.server.drop_upload(&scene.upload_id()));
    let uploaded = with_texts(scene.upload()).run().expect("uploaded");
    assert_ne!(uploaded.upload_id, other.upload_id);
    assert_eq!(uploaded.restarts.len(), 1, "sent again");
    expect_texts(&scene);
    scene.expect_done(&uploaded);
}

#[test]
fn white_space_at_the_ends_is_trimmed_on_every_side() {
    for version in [SignatureVersion::V1, SignatureVersion::V4] {
        let scene = Scene::with_parts(3);
        let bucket = bucket(client(&scene.server).signature_version(version));
        let upload = scene.upload_to(&bucket, KEY);
        let uploaded = upload
            .meta("a", " \u{3000}中 文\u{a0} ")
            .run()
            .expect("uploaded");
        let object = scene.server.object(BUCKET, KEY).expect("an object");
        assert_eq!(object.headers["x-oss-meta-a"], "中 文");
        // What is not sent cannot be trimmed in another way by somebody else.
        let requests = scene.server.requests();
        assert_eq!(requests[0].header("x-oss-meta-a"), Some("中 文"));
        scene.expect_done(&uploaded);
    }
}
