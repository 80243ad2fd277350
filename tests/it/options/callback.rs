//! Callbacks: what the application hears, what comes back of its answer, and what is left when there is none.

use super::base64;
use crate::support::application::Application;
use crate::support::{BUCKET, KEY, Scene};
use oss_upload::local_server::{Fault, LocalServer, Operation};
use oss_upload::{Callback, ErrorKind, Outcome};
use std::net::TcpListener;
use std::time::Duration;

const ANSWER: &str = "{\"Status\":\"好\"}";

#[test]
fn the_application_hears_of_the_stored_object_and_its_answer_comes_back() {
    let application = Application::answering(200, ANSWER);
    for n_parts in [1, 3] {
        let scene = Scene::with_parts(n_parts);
        let body = "o=${object}&b=${bucket}&s=${size}&e=${etag}&c=${crc64}&m=${mimeType}&n=${operation}&w=${x:who}\
                    &h=${imageInfo.height}";
        let callback = Callback::form(application.url(), body).variable("who", "爱 &丽=丝");
        let upload = scene.upload().content_type("text/plain").callback(callback);
        let uploaded = upload.run().expect("uploaded");
        assert_eq!(
            uploaded.callback_response.as_deref(),
            Some(ANSWER.as_bytes())
        );
        let [call] = &application.calls()[..] else {
            panic!("not one call")
        };
        let operation = match n_parts {
            1 => "PutObject",
            _ => "CompleteMultipartUpload",
        };
        let (size, etag, crc64) = (uploaded.size, &uploaded.etag, uploaded.crc64);
        let expected = format!(
            "o=dir%2Fobject.bin&b=examplebucket&s={size}&e={etag}&c={crc64}&m=text%2Fplain&n={operation}\
             &w=%E7%88%B1%20%26%E4%B8%BD%3D%E4%B8%9D&h="
        );
        assert_eq!(call.body, expected);
        assert_eq!(call.line, "POST /stored?from=oss HTTP/1.1");
        assert_eq!(call.header("host"), Some(&*application.host()));
        assert_eq!(
            call.header("content-type"),
            Some("application/x-www-form-urlencoded")
        );
        assert_eq!(call.header("user-agent"), Some("aliyun-oss-callback"));
        // The checksum of the whole object came with the answer: nothing had to be asked.
        assert_eq!(scene.server.count(Operation::HeadObject), 0);
        scene.expect_done(&uploaded);
    }
}

#[test]
fn a_body_of_json_is_filled_in_as_json() {
    let application = Application::answering(200, "[]");
    let scene = Scene::with_parts(3);
    let body = "{\"key\":${object},\"size\":${size},\"who\":${x:who}}";
    let callback = Callback::json(application.url(), body)
        .host("app.example.com")
        .variable("who", "\"A\"\n");
    let uploaded = scene.upload().callback(callback).run().expect("uploaded");
    assert_eq!(uploaded.callback_response.as_deref(), Some(&b"[]"[..]));
    let call = application.calls().pop().expect("a call");
    let told: serde_json::Value = serde_json::from_str(&call.body).expect("JSON");
    let expected = serde_json::json!({"key": KEY, "size": uploaded.size, "who": "\"A\"\n"});
    assert_eq!(told, expected);
    assert_eq!(call.header("host"), Some("app.example.com"));
    assert_eq!(call.header("content-type"), Some("application/json"));
}

#[test]
fn without_a_callback_there_is_no_answer_of_an_application() {
    for n_parts in [1, 3] {
        let uploaded = Scene::with_parts(n_parts).upload().run().expect("uploaded");
        assert_eq!(uploaded.callback_response, None);
    }
}

#[test]
fn the_next_url_is_called_when_the_one_before_fails() {
    let broken = Application::answering(500, "{}");
    let good = Application::answering(200, ANSWER);
    let scene = Scene::with_parts(3);
    let callback = Callback::form(broken.url(), "a=b")
        .or_url(good.url())
        .or_url(broken.url());
    let uploaded = scene.upload().callback(callback).run().expect("uploaded");
    assert_eq!(
        uploaded.callback_response.as_deref(),
        Some(ANSWER.as_bytes())
    );
    assert_eq!((broken.calls().len(), good.calls().len()), (1, 1));
    scene.expect_done(&uploaded);
}

/// The object is stored, and the error says so.
#[test]
fn an_application_that_does_not_answer_well_fails_the_callback_and_not_the_upload() {
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let closed = format!("http://{}", closed.expect("an address"));
    let applications = [
        (Application::answering(502, "{}"), "Error status : 502 "),
        (Application::answering(301, "{}"), "Error status : 301 "),
        (Application::answering(200, "OK"), "not valid json"),
        (
            Application::sending("HTTP/1.1 200 OK\r\n\r\n{}"),
            "not HTTP with a length",
        ),
        (Application::sending("220 smtp\r\n"), "not HTTP"),
        (Application::silent(), "timeout"),
    ];
    let urls = applications
        .iter()
        .map(|(application, why)| (application.url(), *why));
    for (url, why) in urls.chain([(closed, "can not connect")]) {
        for n_parts in [1_u64, 3] {
            let server = LocalServer::builder().callback_timeout(Duration::from_millis(300));
            let scene = Scene::on(server.start().expect("a port"), n_parts * 100_000);
            let upload = scene.upload().callback(Callback::form(&*url, "a=b"));
            let error = upload.run().expect_err(why);
            assert_eq!(error.kind(), ErrorKind::Callback, "{error}");
            assert!(error.to_string().contains(why), "{error}");
            assert!(!error.is_resumable());
            let object = scene.server.object(BUCKET, KEY).expect("stored");
            let bytes = std::fs::read(&scene.file).expect("the file");
            assert!(object.bytes().expect("readable") == bytes);
            assert_eq!(scene.server.pending_uploads(), []);
            assert!(!scene.checkpoint().exists());
        }
    }
}

/// OSS refuses the second Complete without a call: the upload id is used up.
#[test]
fn when_the_answer_to_complete_is_lost_the_application_was_called_once() {
    let application = Application::answering(200, ANSWER);
    let scene = Scene::with_parts(3);
    scene.once(Fault::lose_answer(), Operation::CompleteMultipartUpload);
    let callback = Callback::form(application.url(), "a=b");
    let uploaded = scene.upload().callback(callback).run().expect("uploaded");
    assert_eq!(uploaded.callback_response, None, "lost with the answer");
    assert_eq!(application.calls().len(), 1);
    assert_eq!(scene.server.count(Operation::CompleteMultipartUpload), 2);
    scene.expect_done(&uploaded);
}

#[test]
fn when_complete_itself_is_lost_the_repeated_one_calls() {
    let application = Application::answering(200, ANSWER);
    let scene = Scene::with_parts(3);
    scene.once(Fault::close_after(1), Operation::CompleteMultipartUpload);
    let callback = Callback::form(application.url(), "a=b");
    let uploaded = scene.upload().callback(callback).run().expect("uploaded");
    assert_eq!(
        uploaded.callback_response.as_deref(),
        Some(ANSWER.as_bytes())
    );
    assert_eq!(application.calls().len(), 1);
}

#[test]
fn when_the_answer_to_a_put_is_lost_the_application_is_called_again() {
    let application = Application::answering(200, ANSWER);
    let scene = Scene::with_parts(1);
    scene.once(Fault::lose_answer(), Operation::PutObject);
    let callback = Callback::form(application.url(), "a=b");
    let uploaded = scene.upload().callback(callback).run().expect("uploaded");
    assert_eq!(
        uploaded.callback_response.as_deref(),
        Some(ANSWER.as_bytes())
    );
    assert_eq!(application.calls().len(), 2);
    scene.expect_done(&uploaded);
}

/// The next run finds the object complete: there is nobody to ask how the call went.
#[test]
fn a_later_run_that_finds_the_object_complete_knows_no_answer() {
    let application = Application::answering(200, ANSWER);
    let scene = Scene::with_parts(3);
    let upload = || {
        scene
            .upload()
            .callback(Callback::form(application.url(), "a=b"))
    };
    scene.once(Fault::lose_answer(), Operation::CompleteMultipartUpload);
    let down = scene
        .server
        .fault(Fault::deny().on(Operation::CompleteMultipartUpload));
    let error = upload().run().expect_err("denied after it was done");
    assert!(error.is_resumable(), "{error}");
    down.remove();
    let uploaded = upload().run().expect("uploaded");
    assert_eq!(uploaded.outcome, Outcome::AlreadyComplete);
    assert_eq!(uploaded.callback_response, None);
    assert_eq!(application.calls().len(), 1);
    scene.expect_done(&uploaded);
}

/// By header or by parameter, as it is given.
#[test]
fn a_callback_without_the_setter_works_the_same() {
    let application = Application::answering(200, ANSWER);
    let json = format!(
        "{{\"callbackUrl\":\"{}\",\"callbackBody\":\"u=${{x:u}}\"}}",
        application.url()
    );
    let (callback, variables) = (base64(&json), base64("{\"x:u\":\"1\"}"));
    for n_parts in [1, 3] {
        let scene = Scene::with_parts(n_parts);
        let by_header = scene.upload().header("x-oss-callback", &*callback);
        let by_header = by_header.header("x-oss-callback-var", &*variables);
        let uploaded = by_header.run().expect("uploaded");
        assert_eq!(
            uploaded.callback_response.as_deref(),
            Some(ANSWER.as_bytes())
        );
        let by_query = scene.upload().query("callback", &*callback);
        let by_query = by_query.query("callback-var", &*variables);
        let uploaded = by_query.run().expect("uploaded");
        assert_eq!(
            uploaded.callback_response.as_deref(),
            Some(ANSWER.as_bytes())
        );
        let bodies: Vec<String> = application
            .calls()
            .into_iter()
            .map(|call| call.body)
            .collect();
        assert_eq!(bodies, ["u=1", "u=1"]);
    }
}
