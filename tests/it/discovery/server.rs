//! A DNS server on loopback, UDP and TCP on one port, whose answers change when a test says so.

use hickory_resolver::config::{NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// What a plain answer by UDP may hold (RFC 1035, section 4.2.1).
const DATAGRAM_BYTES_MAX: usize = 512;

/// What to answer.
#[derive(Clone)]
enum Reply {
    Records(Vec<RData>, u32),
    Status(ResponseCode),
    Silence,
}

#[derive(Default)]
struct Zone {
    replies: HashMap<(String, RecordType), Reply>,
    /// Names asked for, in order; with `/tcp` behind those asked for by TCP.
    asked: Vec<String>,
}

/// A running server. What it has not been told does not exist.
pub(super) struct DnsServer {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
}

impl DnsServer {
    pub(super) async fn start() -> Self {
        let (udp, tcp) = bind().await;
        let address = udp.local_addr().unwrap();
        let zone = Arc::new(Mutex::new(Zone::default()));
        tokio::spawn(serve_udp(udp, Arc::clone(&zone)));
        tokio::spawn(serve_tcp(tcp, Arc::clone(&zone)));
        Self { address, zone }
    }

    /// Whom to ask, and how: this server, and search domains.
    pub(super) fn config(&self, search: &[&str]) -> (ResolverConfig, ResolverOpts) {
        config_of(self.address, search)
    }

    pub(super) fn addresses(&self, name: &str, addresses: &[&str], ttl: u32) {
        let parsed: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        for (kind, is_v4) in [(RecordType::A, true), (RecordType::AAAA, false)] {
            let of_kind = parsed.iter().filter(|address| address.is_ipv4() == is_v4);
            let records = of_kind.map(|address| match address {
                IpAddr::V4(v4) => RData::A(A(*v4)),
                IpAddr::V6(v6) => RData::AAAA(AAAA(*v6)),
            });
            self.set(name, kind, Reply::Records(records.collect(), ttl));
        }
    }

    pub(super) fn services(&self, name: &str, services: &[(&str, u16)]) {
        let records = services
            .iter()
            .map(|(host, port)| RData::SRV(SRV::new(0, 0, *port, Name::from_ascii(host).unwrap())));
        self.set(name, RecordType::SRV, Reply::Records(records.collect(), 0));
    }

    pub(super) fn status(&self, name: &str, status: ResponseCode) {
        self.set_all(name, &Reply::Status(status));
    }

    pub(super) fn silence(&self, name: &str) {
        self.set_all(name, &Reply::Silence);
    }

    fn set_all(&self, name: &str, reply: &Reply) {
        for kind in [RecordType::A, RecordType::AAAA, RecordType::SRV] {
            self.set(name, kind, reply.clone());
        }
    }

    fn set(&self, name: &str, kind: RecordType, reply: Reply) {
        self.zone.lock().unwrap().replies.insert((format!("{name}."), kind), reply);
    }

    /// What was asked since the last time.
    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.zone.lock().unwrap().asked)
    }
}

/// Whom to ask, and how: a server at an address, and search domains.
pub(super) fn config_of(address: SocketAddr, search: &[&str]) -> (ResolverConfig, ResolverOpts) {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut server.connections {
        connection.port = address.port();
    }
    let search = search.iter().map(|name| Name::from_ascii(name).unwrap()).collect();
    let config = ResolverConfig::from_parts(None, search, vec![server]);
    (config, ResolverOpts::default())
}

/// UDP and TCP on one port, whichever is free for both.
async fn bind() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

async fn serve_udp(socket: UdpSocket, zone: Arc<Mutex<Zone>>) {
    let mut buffer = [0; 4096];
    while let Ok((n_bytes, from)) = socket.recv_from(&mut buffer).await {
        let Some(mut reply) = answer(&buffer[..n_bytes], &zone, false) else { continue };
        let mut bytes = reply.to_vec().unwrap();
        if bytes.len() > DATAGRAM_BYTES_MAX {
            reply.answers.clear();
            reply.metadata.truncation = true;
            bytes = reply.to_vec().unwrap();
        }
        socket.send_to(&bytes, from).await.unwrap();
    }
}

async fn serve_tcp(listener: TcpListener, zone: Arc<Mutex<Zone>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve_stream(stream, Arc::clone(&zone)));
    }
}

async fn serve_stream(mut stream: TcpStream, zone: Arc<Mutex<Zone>>) {
    while let Ok(n_bytes) = stream.read_u16().await {
        let mut query = vec![0; n_bytes.into()];
        stream.read_exact(&mut query).await.unwrap();
        let Some(reply) = answer(&query, &zone, true) else { continue };
        let bytes = reply.to_vec().unwrap();
        stream.write_u16(bytes.len().try_into().unwrap()).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
    }
}

fn answer(query: &[u8], zone: &Mutex<Zone>, is_tcp: bool) -> Option<Message> {
    let query = Message::from_vec(query).unwrap();
    let question = query.queries.first().unwrap().clone();
    let name = question.name().to_ascii().to_ascii_lowercase();
    let kind = question.query_type();
    let mut reply = Message::response(query.metadata.id, OpCode::Query);
    reply.metadata.recursion_desired = query.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.add_query(question.clone());
    let mut zone = zone.lock().unwrap();
    zone.asked.push(format!("{kind} {name}{}", if is_tcp { "/tcp" } else { "" }));
    match zone.replies.get(&(name, kind)) {
        None => reply.metadata.response_code = ResponseCode::NXDomain,
        Some(Reply::Silence) => return None,
        Some(Reply::Status(status)) => reply.metadata.response_code = *status,
        Some(Reply::Records(records, ttl)) => {
            let records = records.iter();
            reply.answers = records
                .map(|data| Record::from_rdata(question.name().clone(), *ttl, data.clone()))
                .collect();
        }
    }
    Some(reply)
}
