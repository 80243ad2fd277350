//! Uploads a file with credentials from wherever they are: what is said after the file picks the line of `sign`.
//!
//! the region from `OSS_REGION`, or `OSS_ENDPOINT`.
//!
//! ```text
//! cargo run --release --example credentials -- /data/backup.tar profile uploads
//! cargo run --release --example credentials -- /data/backup.tar process 'vault-login --for oss'
//! ```

use oss_upload::{
    CliProfile, Client, ClientBuilder, Credentials, CredentialsChain, CredentialsUri, EcsRamRole,
    Environment, Error, ExternalProcess, OidcRole, ProviderError, RamRole, Refreshing, Uploaded,
};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{env, fs, process};

fn sign(client: ClientBuilder, by: &[&str]) -> Option<ClientBuilder> {
    Some(match by {
        // A key that stays. This one is the local server's; yours does not belong in a program's text.
        ["static"] => client.credentials(Credentials::new("local-id", "local-secret")),
        // OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET and OSS_SESSION_TOKEN: the default.
        ["environment"] => client.credentials(Environment),
        // Wherever Alibaba Cloud's tools look, or where you say.
        ["chain"] => client.credentials(CredentialsChain::default_chain()),
        ["own-chain"] => client.credentials(
            CredentialsChain::new()
                .or(Environment)
                .or(CliProfile::named("uploads"))
                .or(EcsRamRole::new()),
        ),
        // The role of the instance that this runs on; of the pod.
        ["ecs"] => client.credentials(EcsRamRole::new()),
        ["ecs", url] => client.credentials(EcsRamRole::new().base_url(*url)),
        ["oidc"] => client.credentials(OidcRole::new()),
        ["oidc", sts] => client.credentials(OidcRole::new().endpoint(*sts)),
        // A role that is assumed with the key of the environment.
        ["ram", arn] => client.credentials(RamRole::new(Environment, *arn)),
        ["ram", arn, sts] => client.credentials(RamRole::new(Environment, *arn).endpoint(*sts)),
        // What the command line `aliyun` was configured with.
        ["profile", name] => client.credentials(CliProfile::named(*name)),
        // What a service or a command of yours answers.
        ["uri", uri] => client.credentials(CredentialsUri::new(*uri)),
        ["process", command] => client.credentials(ExternalProcess::new(*command)),
        // What a function of yours fetches, kept fresh.
        ["file", path] => {
            let path = PathBuf::from(path);
            client.credentials(Refreshing::new(move || read(&path)))
        }
        // None, for a bucket that everyone may write to.
        ["anonymous"] => client.anonymous(),
        _ => return None,
    })
}

/// Id, secret and token in three lines, which another program writes anew in time. No secret is part of the error.
fn read(path: &Path) -> Result<Credentials, ProviderError> {
    let text = fs::read_to_string(path)?;
    let [id, secret, token] = text.lines().collect::<Vec<_>>()[..] else {
        return Err(format!("`{}` has not three lines", path.display()).into());
    };
    let read_again_by = SystemTime::now() + Duration::from_secs(600);
    let credentials = Credentials::new(id, secret).with_security_token(token);
    Ok(credentials.with_expiration(read_again_by))
}

fn upload(client: ClientBuilder, file: &Path) -> Result<Uploaded, Error> {
    let bucket = client.build()?.bucket("examplebucket")?;
    bucket.upload_file("backup/latest.tar", file).run()
}

fn main() {
    let mut arguments = env::args_os().skip(1);
    let file = arguments.next().map(PathBuf::from).unwrap_or_default();
    let by = arguments.map(OsString::into_string);
    let by: Vec<String> = by.collect::<Result<_, _>>().unwrap_or_default();
    let by: Vec<&str> = by.iter().map(String::as_str).collect();
    let Some(client) = sign(Client::from_env(), &by) else {
        eprintln!(
            "usage: credentials FILE static | environment | chain | own-chain | ecs [URL] | oidc [STS] |\n    \
             ram ARN [STS] | profile NAME | uri URI | process COMMAND | file PATH | anonymous"
        );
        process::exit(2);
    };
    match upload(client, &file) {
        Ok(done) => println!("{} bytes", done.size),
        Err(error) => {
            eprintln!("failed: {error}");
            process::exit(1);
        }
    }
}
