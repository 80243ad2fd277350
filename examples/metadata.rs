//! Says what may be said of an object: its type, metadata in any script, tags, who may read it, how it is stored, that it
//! replaces nothing, and who is called once it is there.
//!
//! Credentials come from `OSS_ACCESS_KEY_ID` and `OSS_ACCESS_KEY_SECRET`; the region from `OSS_REGION`, or `OSS_ENDPOINT`.
//!
//! ```text
//! cargo run --release --example metadata -- /data/report.pdf https://app.example.com/stored
//! ```

use oss_upload::{
    Bucket, Callback, Client, Error, ErrorKind, Kms, ObjectAcl, StorageClass, Uploaded,
};
use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, SystemTime};
use std::{env, process};

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn upload(bucket: &Bucket, file: &Path, application: Option<&str>) -> Result<Uploaded, Error> {
    let mut upload = bucket
        .upload_file("reports/2026.pdf", file)
        .content_type("application/pdf")
        .content_disposition("inline; filename=\"2026.pdf\"")
        .cache_control("max-age=3600")
        .expires_at(SystemTime::now() + A_DAY)
        .meta("author", "山田太郎")
        .meta("title", "Годовой отчёт 📈")
        .tag("project", "annual report")
        .tag("year", "2026")
        .acl(ObjectAcl::Private)
        .storage_class(StorageClass::InfrequentAccess)
        .encryption(Kms::new())
        .forbid_overwrite();
    if let Some(url) = application {
        let body = r#"{"key":${object},"size":${size},"by":${x:user}}"#;
        upload = upload.callback(Callback::json(url, body).variable("user", "alice"));
    }
    upload.run()
}

fn main() {
    let mut arguments = env::args_os().skip(1);
    let (file, application) = (arguments.next(), arguments.next());
    let application = application.map(OsString::into_string).transpose();
    let (Some(file), Ok(application)) = (file, application) else {
        eprintln!("usage: metadata FILE [URL]");
        process::exit(2);
    };
    let application = application.as_deref();
    match bucket().and_then(|bucket| upload(&bucket, file.as_ref(), application)) {
        Ok(done) => {
            let answer = done.callback_response.unwrap_or_default();
            println!("{} bytes {}", done.size, String::from_utf8_lossy(&answer));
            return;
        }
        Err(error) if error.code() == Some("FileAlreadyExists") => {
            eprintln!("there is one already, which stays as it is");
        }
        Err(error) if error.kind() == ErrorKind::Callback => eprintln!("nobody was told: {error}"),
        Err(error) => eprintln!("failed: {error}"),
    }
    process::exit(1);
}

fn bucket() -> Result<Bucket, Error> {
    Client::from_env().build()?.bucket("examplebucket")
}
