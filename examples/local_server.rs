//! An OSS server on this machine, for trying things out: strict, with any bucket, and with public credentials.
//!
//! ```text
//! cargo run --release --features local-server --example local_server -- [--port P] [--root DIR]
//!     [--access-key-id ID --access-key-secret SECRET [--security-token TOKEN]]
//! ```

use oss_upload::local_server::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, LocalServer};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
usage: local_server [--port P] [--root DIR]
                    [--access-key-id ID --access-key-secret SECRET [--security-token TOKEN]]

An OSS server on 127.0.0.1. Its first line on stdout is `listening on http://127.0.0.1:PORT`.
It runs until it is stopped. Any bucket exists; the region is cn-hangzhou.

  --port P                    port (default: a free one)
  --root DIR                  keep objects and parts in files below DIR (default: in memory)
  --access-key-id ID          the key id to accept (default: local-id)
  --access-key-secret SECRET  its secret (default: local-secret)
  --security-token TOKEN      the token to demand, as of temporary credentials (default: none)";

#[derive(Default)]
struct Options {
    port: u16,
    root: Option<PathBuf>,
    access_key_id: Option<String>,
    access_key_secret: Option<String>,
    security_token: Option<String>,
    wants_help: bool,
}

fn main() -> ExitCode {
    match parse() {
        Err(error) => {
            eprintln!("local_server: {error}\n\n{USAGE}");
            ExitCode::from(2)
        }
        Ok(options) if options.wants_help => {
            // Whoever stopped reading has read enough.
            let _ = writeln!(io::stdout(), "{USAGE}");
            ExitCode::SUCCESS
        }
        Ok(options) => match serve(options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("local_server: {error}");
                ExitCode::FAILURE
            }
        },
    }
}

fn parse() -> Result<Options, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options::default();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("port") => options.port = arguments.value()?.parse()?,
            Long("root") => options.root = Some(arguments.value()?.into()),
            Long("access-key-id") => options.access_key_id = Some(arguments.value()?.string()?),
            Long("access-key-secret") => {
                options.access_key_secret = Some(arguments.value()?.string()?);
            }
            Long("security-token") => options.security_token = Some(arguments.value()?.string()?),
            Short('h') | Long("help") => options.wants_help = true,
            other => return Err(other.unexpected()),
        }
    }
    if options.access_key_id.is_some() != options.access_key_secret.is_some() {
        return Err("--access-key-id and --access-key-secret go together".into());
    }
    if options.security_token.is_some() && options.access_key_id.is_none() {
        return Err("--security-token goes with --access-key-id and --access-key-secret".into());
    }
    Ok(options)
}

fn serve(options: Options) -> io::Result<()> {
    let mut builder = LocalServer::builder().port(options.port).any_bucket(true);
    if let Some(root) = options.root {
        builder = builder.root(root);
    }
    let own = options.access_key_id.zip(options.access_key_secret);
    if let Some((id, secret)) = &own {
        builder = builder.credentials(id, secret);
    }
    if let Some(token) = &options.security_token {
        builder = builder.security_token(token);
    }
    let server = builder.start()?;
    let mut stdout = io::stdout();
    writeln!(stdout, "listening on {}", server.endpoint())?;
    stdout.flush()?;
    if own.is_none() {
        eprintln!("credentials that everybody knows; to use them:");
        eprintln!("  export OSS_ACCESS_KEY_ID={ACCESS_KEY_ID}");
        eprintln!("  export OSS_ACCESS_KEY_SECRET={ACCESS_KEY_SECRET}");
        eprintln!("  export OSS_REGION=cn-hangzhou");
        eprintln!("  export OSS_ENDPOINT={}", server.endpoint());
    }
    loop {
        std::thread::park();
    }
}
