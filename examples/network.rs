//! Uploads a file over the network as it is: what is said after the file picks the line of `client`.
//!
//! Credentials come from `OSS_ACCESS_KEY_ID` and `OSS_ACCESS_KEY_SECRET`; the region from `OSS_REGION`, or `OSS_ENDPOINT`.
//!
//! ```text
//! cargo run --release --example network -- /data/backup.tar internal
//! cargo run --release --example network -- /data/backup.tar proxy http://proxy.example.com:3128
//! ```

use oss_upload::{Client, ClientBuilder, Error, IpFamily, Network, Proxy, Tls, Trust, Uploaded};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, process};

fn client(way: &[&str]) -> Option<ClientBuilder> {
    Some(match way {
        // From within Alibaba Cloud, in the same region: no traffic is billed.
        ["internal"] => Client::for_region("cn-hangzhou").network(Network::Internal),
        // From far away, to a bucket with transfer acceleration.
        ["accelerated"] => Client::for_region("cn-hangzhou").network(Network::Accelerated),
        // Through this proxy, but for hosts of our own; through none, whatever the environment says.
        ["proxy", url] => {
            let proxy = Proxy::new(*url).no_proxy(["10.0.0.0/8", ".corp.example"]);
            Client::from_env().proxy(proxy)
        }
        ["no-proxy"] => Client::from_env().proxy(Proxy::none()),
        // To a private cloud, whose certificates nobody else vouches for, and which wants to see one of ours.
        ["private", root] => Client::from_env().tls(Tls::new().trust(Trust::Given).root_file(root)),
        ["private", root, chain, key] => {
            let tls = Tls::new().trust(Trust::Given).root_file(root);
            Client::from_env().tls(tls.client_files(chain, key))
        }
        // Where IPv6 is there, and leads nowhere.
        ["ipv4"] => Client::from_env().ip_family(IpFamily::V4),
        _ => return None,
    })
}

fn upload(client: ClientBuilder, file: &Path) -> Result<Uploaded, Error> {
    let client = client
        .user_agent("nightly-backup/1.2")
        .connect_timeout(Duration::from_secs(5))
        .stall_timeout(Duration::from_secs(30))
        .build()?;
    let bucket = client.bucket("examplebucket")?;
    bucket.upload_file("backup/latest.tar", file).run()
}

fn main() {
    let mut arguments = env::args_os().skip(1);
    let file = arguments.next().map(PathBuf::from).unwrap_or_default();
    let way = arguments.map(OsString::into_string);
    let way: Vec<String> = way.collect::<Result<_, _>>().unwrap_or_default();
    let way: Vec<&str> = way.iter().map(String::as_str).collect();
    let Some(client) = client(&way) else {
        eprintln!(
            "usage: network FILE internal | accelerated | proxy URL | no-proxy |\n    \
             private ROOT [CHAIN KEY] | ipv4"
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
