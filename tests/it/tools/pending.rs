//! The open uploads of a bucket: listed, looked at, aborted by age.

use super::{leave_open, lose_checkpoint, open_uploads};
use crate::server::client::begin;
use crate::support::runs::code;
use crate::support::{BUCKET, Case, PART, Scene, bucket, client};
use Operation::{AbortMultipartUpload, ListMultipartUploads};
use oss_upload::local_server::{Fault, Operation};
use oss_upload::{Error, ErrorKind, PendingUpload, SignatureVersion};
use std::time::{Duration, SystemTime};

const DAY: u64 = 24 * 60 * 60;

fn days(n: u64) -> Duration {
    Duration::from_secs(n * DAY)
}

fn listed(scene: &Scene, prefix: &str) -> Vec<PendingUpload> {
    let listed: Result<Vec<_>, Error> = scene.bucket.pending_uploads(prefix).collect();
    listed.expect("a list")
}

/// Begins an upload while the server's clock is off by so many days.
fn begin_at(scene: &Scene, days: i64, key: &str) -> String {
    scene.server.set_clock_offset(days * DAY as i64);
    leave_open(scene, scene.upload_to(&scene.bucket, key), 1)
}

/// A page that names these uploads, begun long ago, and leads to that marker.
fn page(uploads: &[(&str, &str)], next: Option<(&str, &str)>) -> Fault {
    let upload = |(key, id): &(&str, &str)| {
        format!(
            "<Upload><Key>{key}</Key><UploadId>{id}</UploadId>\
             <Initiated>2012-02-23T04:18:23.000Z</Initiated></Upload>"
        )
    };
    let uploads: String = uploads.iter().map(upload).collect();
    let next = next.map(|(key, id)| {
        format!("<NextKeyMarker>{key}</NextKeyMarker><NextUploadIdMarker>{id}</NextUploadIdMarker>")
    });
    let body = format!(
        "<ListMultipartUploadsResult><IsTruncated>{}</IsTruncated>{}{uploads}</ListMultipartUploadsResult>",
        next.is_some(),
        next.unwrap_or_default()
    );
    Fault::answer(200, "application/xml", body).on(ListMultipartUploads)
}

#[test]
fn all_of_a_prefix_are_listed_whatever_their_keys() {
    for version in [SignatureVersion::V1, SignatureVersion::V4] {
        let mut scene = Scene::with_parts(2);
        scene.bucket = bucket(client(&scene.server).signature_version(version));
        let keys = [
            "dir/a b+c%2F",
            "dir/\n\u{1}",
            "dir/备份/&<>\"",
            "dir/z",
            "other",
        ];
        let mut begun: Vec<_> = keys.map(|key| (key, begin(&scene.server, key))).into();
        begun.sort();
        let found = listed(&scene, "");
        let found: Vec<_> = found
            .iter()
            .map(|u| (&*u.key, u.upload_id.clone()))
            .collect();
        assert_eq!(found, begun);
        for (prefix, n) in [("dir/", 4), ("dir/a b+", 1), ("dir/备", 1), ("none", 0)] {
            assert_eq!(listed(&scene, prefix).len(), n, "{prefix}");
        }
    }
}

#[test]
fn pages_are_fetched_as_they_are_needed() {
    const MANY: usize = 1002;
    let scene = Scene::with_parts(2);
    // Two keys, one of which has more uploads than a page has room for.
    begin(&scene.server, "a");
    let mut begun: Vec<String> = (1..MANY).map(|_| begin(&scene.server, "b")).collect();
    begun.sort();
    scene.server.forget_requests();
    let mut uploads = scene.bucket.pending_uploads("");
    assert_eq!(scene.server.count(ListMultipartUploads), 0);
    let first = uploads.next().expect("one").expect("a list");
    assert_eq!(first.key, "a");
    assert_eq!(scene.server.count(ListMultipartUploads), 1);
    let rest: Result<Vec<_>, Error> = uploads.collect();
    let ids: Vec<String> = rest
        .expect("a list")
        .into_iter()
        .map(|u| u.upload_id)
        .collect();
    assert_eq!(ids, begun);
    assert_eq!(scene.server.count(ListMultipartUploads), 2);
}

#[test]
fn an_upload_tells_its_parts_and_can_be_aborted() {
    let scene = Scene::with_parts(4);
    let id = lose_checkpoint(&scene, 3);
    let other = begin(&scene.server, "other");
    let before = SystemTime::now() + Duration::from_secs(1);
    let [upload] = &listed(&scene, "dir/")[..] else {
        panic!("one upload")
    };
    assert_eq!(upload.upload_id, id);
    assert!(upload.initiated <= before);
    let stored = upload.stored().expect("a list");
    assert_eq!((stored.parts, stored.bytes), (3, 3 * PART));
    upload.abort().expect("aborted");
    assert_eq!(open_uploads(&scene), [other]);
    upload.abort().expect("what is gone is aborted");
    let error = upload.stored().expect_err("it is gone");
    assert_eq!(code(&error), Some("NoSuchUpload"));
    assert!(error.to_string().contains(&id), "{error}");
}

#[test]
fn only_those_are_aborted_that_are_old_by_the_server_s_clock() {
    // By the local clock all are young, or all are old.
    for now in [20, -20] {
        let _case = Case(now);
        let scene = Scene::with_parts(3);
        begin_at(&scene, now - 8, "dir/old");
        let young = begin_at(&scene, now - 6, "dir/young");
        let other = begin_at(&scene, now - 8, "other");
        let new = begin_at(&scene, now, "dir/new");
        let aborted = scene.bucket.abort_pending("dir/", days(7)).expect("a list");
        assert_eq!(aborted.failed.len(), 0);
        let keys: Vec<_> = aborted.aborted.iter().map(|upload| &*upload.key).collect();
        assert_eq!(keys, ["dir/old"]);
        assert!(aborted.aborted[0].age() >= Some(days(8)));
        let mut left = [young, other, new];
        left.sort();
        assert_eq!(open_uploads(&scene), left);
    }
}

#[test]
fn no_age_at_all_is_asked_for_by_zero() {
    let scene = Scene::with_parts(2);
    begin(&scene.server, "a");
    begin(&scene.server, "b");
    let aborted = scene
        .bucket
        .abort_pending("", Duration::ZERO)
        .expect("a list");
    assert_eq!(aborted.aborted.len(), 2);
    assert_eq!(open_uploads(&scene), [""; 0]);
}

#[test]
fn a_server_that_does_not_say_what_time_it_is_has_nothing_aborted() {
    let scene = Scene::with_parts(2);
    let id = begin(&scene.server, "a");
    let no_time = Fault::replace_answer_header("Date", "soon");
    scene.server.fault(no_time.on(ListMultipartUploads));
    assert_eq!(listed(&scene, "")[0].age(), None);
    let error = scene
        .bucket
        .abort_pending("", Duration::ZERO)
        .expect_err("no time");
    assert_eq!(error.kind(), ErrorKind::Transport);
    assert_eq!(open_uploads(&scene), [id]);
}

#[test]
fn what_cannot_be_aborted_is_told_and_the_others_are() {
    let scene = Scene::with_parts(2);
    let [id, ..] = ["a", "b", "c"].map(|key| begin(&scene.server, key));
    scene.once(Fault::deny(), AbortMultipartUpload);
    let aborted = scene
        .bucket
        .abort_pending("", Duration::ZERO)
        .expect("a list");
    assert_eq!(aborted.aborted.len(), 2);
    let [(upload, why)] = &aborted.failed[..] else {
        panic!("one failed: {aborted:?}")
    };
    assert_eq!(upload.upload_id, id);
    assert_eq!(code(why), Some("AccessDenied"));
    assert_eq!(open_uploads(&scene), [id]);
}

#[test]
fn nothing_is_aborted_when_the_list_breaks_off() {
    let scene = Scene::with_parts(2);
    let id = begin(&scene.server, "a");
    scene
        .server
        .fault(page(&[("a", &id)], Some(("a", &id))).times(1));
    scene.server.fault(Fault::deny().on(ListMultipartUploads));
    let error = scene
        .bucket
        .abort_pending("", Duration::ZERO)
        .expect_err("the second page is denied");
    assert_eq!(code(&error), Some("AccessDenied"));
    assert_eq!(scene.server.count(AbortMultipartUpload), 0);
    assert_eq!(open_uploads(&scene), [id]);
}

#[test]
fn a_list_that_leads_nowhere_or_elsewhere_is_an_error_and_ends() {
    let lists = [
        // The marker stands still.
        page(&[("dir/a", "1")], Some(("dir/a", "1"))),
        // Keys that were not asked for.
        page(&[("dir/a", "1"), ("other", "2")], None),
        Fault::answer(200, "text/html", "<html>").on(ListMultipartUploads),
    ];
    for list in lists {
        let _case = Case(list.clone());
        let scene = Scene::with_parts(2);
        begin(&scene.server, "other");
        scene.server.fault(list);
        let mut uploads = scene.bucket.pending_uploads("dir/");
        let error = uploads.find_map(Result::err).expect("no endless list");
        assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
        assert!(uploads.next().is_none());
        let error = scene.bucket.abort_pending("dir/", Duration::ZERO);
        assert!(error.is_err());
        // A good page and eight attempts at the next, for each of the two.
        assert!(scene.server.count(ListMultipartUploads) <= 18);
        assert_eq!(scene.server.count(AbortMultipartUpload), 0);
    }
}

#[test]
fn a_page_is_asked_for_again_where_that_may_help() {
    let scene = Scene::with_parts(2);
    begin(&scene.server, "a");
    for fault in [
        Fault::status(503, "ServiceUnavailable"),
        Fault::reset_after(0),
        Fault::cut_answer(300),
    ] {
        scene.once(fault, ListMultipartUploads);
    }
    assert_eq!(listed(&scene, "").len(), 1);
    assert_eq!(scene.server.count(ListMultipartUploads), 4);
}

#[test]
fn a_prefix_that_no_key_has_is_refused_before_anything_is_sent() {
    let scene = Scene::with_parts(2);
    for prefix in ["/a", "\\", &"a".repeat(1024)] {
        let mut uploads = scene.bucket.pending_uploads(prefix);
        let error = uploads.next().expect("an answer").expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Options, "{error}");
        assert!(uploads.next().is_none());
    }
    assert_eq!(scene.server.requests().len(), 0);
}

#[test]
fn a_bucket_that_is_none_is_the_service_s_word() {
    let scene = Scene::with_parts(2);
    let client = client(&scene.server).build().expect("a client");
    let none = client.bucket("none-of-ours").expect("a name");
    let error = none.pending_uploads("").next().expect("an answer");
    let error = error.expect_err("no such bucket");
    assert_eq!(code(&error), Some("NoSuchBucket"));
    assert!(error.to_string().contains("none-of-ours"), "{error}");
    assert_eq!(scene.bucket.name(), BUCKET);
}
