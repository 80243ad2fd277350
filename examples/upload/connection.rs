//! Where OSS is, on which way to it, and who asks: the settings of a client.

use crate::credentials::Source;
use crate::values::{Usage, choice, only, text, time, wrong};
use lexopt::Parser;
use oss_upload::{
    Addressing, Client, ClientBuilder, Error, IpFamily, Network, Proxy, SignatureVersion, Tls,
};
use std::env;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Default)]
pub(crate) struct Connection {
    endpoint: Option<String>,
    region: Option<String>,
    network: Option<Network>,
    signature: SignatureVersion,
    addressing: Option<Addressing>,
    host_header: Option<String>,
    proxy: Option<Proxy>,
    tls: Tls,
    client_certificate: Option<PathBuf>,
    client_key: Option<PathBuf>,
    family: Option<IpFamily>,
    stall_timeout: Option<Duration>,
    credentials: Source,
}

impl Connection {
    /// Takes an option with its value; `false` when it is none of these.
    pub(crate) fn take(&mut self, name: &str, parser: &mut Parser) -> Result<bool, Usage> {
        const ADDRESSING: &str = "--path-style and --cname";
        const PROXY: &str = "--proxy and --no-proxy";
        const FAMILY: &str = "--ipv4 and --ipv6";
        match name {
            "endpoint" => self.endpoint = Some(text(parser)?).filter(|url| !url.is_empty()),
            "region" => self.region = Some(text(parser)?),
            "network" => self.network = Some(network(name, parser)?),
            "signature" => {
                let versions = [("v1", SignatureVersion::V1), ("v4", SignatureVersion::V4)];
                self.signature = choice(name, parser, &versions)?;
            }
            "path-style" => only(&mut self.addressing, Addressing::Path, ADDRESSING)?,
            "cname" => only(&mut self.addressing, Addressing::Cname, ADDRESSING)?,
            "host-header" => self.host_header = Some(text(parser)?),
            "proxy" => only(&mut self.proxy, Proxy::new(text(parser)?), PROXY)?,
            "no-proxy" => only(&mut self.proxy, Proxy::none(), PROXY)?,
            "ca-file" => self.tls = std::mem::take(&mut self.tls).root_file(parser.value()?),
            "client-cert" => self.client_certificate = Some(parser.value()?.into()),
            "client-key" => self.client_key = Some(parser.value()?.into()),
            "ipv4" => only(&mut self.family, IpFamily::V4, FAMILY)?,
            "ipv6" => only(&mut self.family, IpFamily::V6, FAMILY)?,
            "stall-timeout" => self.stall_timeout = Some(time(name, parser)?),
            "credentials" => self.credentials = Source::parse(&text(parser)?)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Adds what the environment says, once all options are taken.
    pub(crate) fn complete(&mut self) -> Result<(), Usage> {
        if self.network.is_none() {
            self.endpoint = self.endpoint.take().or_else(|| variable("OSS_ENDPOINT"));
        }
        self.region = self.region.take().or_else(|| variable("OSS_REGION"));
        match self {
            Connection {
                network: Some(_),
                endpoint: Some(_),
                ..
            } => wrong("only one of --endpoint and --network"),
            Connection {
                network: Some(_),
                region: None,
                ..
            } => wrong("a --network has its endpoint in a --region: name that too"),
            Connection {
                endpoint: None,
                region: None,
                ..
            } => wrong("name an --endpoint or a --region"),
            _ if self.client_certificate.is_some() != self.client_key.is_some() => {
                wrong("--client-cert and --client-key go together")
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn client(&self) -> Result<Client, Error> {
        let mut client = self.at_place().signature_version(self.signature);
        if let Some(addressing) = self.addressing {
            client = client.addressing(addressing);
        }
        if let Some(host) = &self.host_header {
            client = client.host_header(host);
        }
        if let Some(proxy) = &self.proxy {
            client = client.proxy(proxy.clone());
        }
        if let Some(timeout) = self.stall_timeout {
            client = client.stall_timeout(timeout);
        }
        let client = client
            .tls(self.tls())
            .ip_family(self.family.unwrap_or_default());
        self.credentials.sign_for(client, &self.tls).build()
    }

    fn at_place(&self) -> ClientBuilder {
        match (&self.endpoint, &self.region) {
            (Some(endpoint), Some(region)) => Client::builder(endpoint).region(region),
            (Some(endpoint), None) => Client::builder(endpoint),
            (None, region) => Client::for_region(region.clone().unwrap_or_default())
                .network(self.network.unwrap_or_default()),
        }
    }

    fn tls(&self) -> Tls {
        let tls = self.tls.clone();
        match (&self.client_certificate, &self.client_key) {
            (Some(certificate), Some(key)) => tls.client_files(certificate, key),
            _ => tls,
        }
    }
}

fn network(name: &str, parser: &mut Parser) -> Result<Network, Usage> {
    let networks = [
        ("public", Network::Public),
        ("internal", Network::Internal),
        ("dual-stack", Network::DualStack),
        ("accelerate", Network::Accelerated),
        ("accelerate-overseas", Network::AcceleratedOverseas),
    ];
    choice(name, parser, &networks)
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
