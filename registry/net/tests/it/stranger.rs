//! A peer of raw libp2p that sends whatever a test tells it to.

use std::io;

use cid::Cid;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::identity::Keypair;
use libp2p::request_response::{self, Codec, Message, ProtocolSupport};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};
use tokio::sync::mpsc;

use crate::world::LONG;

/// Bytes that a stranger reads at once.
const MOST: u64 = 8 << 20;

pub(crate) struct Stranger {
    pub(crate) peer: PeerId,
    pub(crate) address: Multiaddr,
    /// Sent over a stream of their own each, to whoever is named.
    orders: mpsc::Sender<Order>,
    /// What comes back on those streams, up to their end.
    pub(crate) answers: mpsc::Receiver<Vec<u8>>,
}

enum Order {
    Dial(Multiaddr),
    Send(PeerId, Vec<u8>),
}

type Script = Box<dyn FnMut(&[u8]) -> Vec<Vec<u8>> + Send>;

impl Stranger {
    /// A peer of one protocol. For each message that comes, `script` says what to send back, each over
    /// a new stream.
    pub(crate) async fn start(
        protocol: &'static str,
        script: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
    ) -> Self {
        let protocols = [(StreamProtocol::new(protocol), ProtocolSupport::Full)];
        let mut swarm = SwarmBuilder::with_existing_identity(Keypair::generate_ed25519())
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|_| {
                let patient = request_response::Config::default().with_request_timeout(LONG);
                request_response::Behaviour::with_codec(Raw, protocols, patient)
            })
            .unwrap()
            .build();
        swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        let peer = *swarm.local_peer_id();
        let (orders, inbox) = mpsc::channel(1_024);
        let (outbox, answers) = mpsc::channel(1_024);
        tokio::spawn(work(swarm, inbox, outbox, Box::new(script)));
        Self { peer, address: address.with_p2p(peer).unwrap(), orders, answers }
    }

    pub(crate) async fn dial(&self, address: Multiaddr) {
        self.orders.send(Order::Dial(address)).await.unwrap();
    }

    pub(crate) async fn send(&self, to: PeerId, bytes: Vec<u8>) {
        self.orders.send(Order::Send(to, bytes)).await.unwrap();
    }
}

async fn work(
    mut swarm: Swarm<request_response::Behaviour<Raw>>,
    mut orders: mpsc::Receiver<Order>,
    answers: mpsc::Sender<Vec<u8>>,
    mut script: Script,
) {
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Dial(address)) => swarm.dial(address).unwrap(),
                Some(Order::Send(peer, bytes)) => drop(swarm.behaviour_mut().send_request(&peer, bytes)),
                None => return,
            },
            event = swarm.select_next_some() => {
                let SwarmEvent::Behaviour(request_response::Event::Message { peer, message, .. }) = event else { continue };
                match message {
                    Message::Request { request, .. } => {
                        for bytes in script(&request) {
                            swarm.behaviour_mut().send_request(&peer, bytes);
                        }
                    }
                    Message::Response { response, .. } => answers.send(response).await.unwrap(),
                }
            }
        }
    }
}

/// Bytes as they are.
#[derive(Clone)]
struct Raw;

impl Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    /// One frame, without its length.
    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
    ) -> io::Result<Vec<u8>> {
        let (mut length, mut byte) = (0, [0x80]);
        for shift in (0..28).step_by(7) {
            stream.read_exact(&mut byte).await?;
            length |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                break;
            }
        }
        let mut bytes = vec![0; length.min(MOST) as usize];
        stream.read_exact(&mut bytes).await?;
        Ok(bytes)
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
    ) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        stream.take(MOST).read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, stream: &mut T, bytes: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        stream.write_all(&bytes).await?;
        stream.close().await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, stream: &mut T, bytes: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        stream.write_all(&bytes).await
    }
}

pub(crate) fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A message with its length before it.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    [varint(message.len()), message.to_vec()].concat()
}

/// A protobuf field of bytes.
pub(crate) fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [vec![number << 3 | 2], varint(bytes.len()), bytes.to_vec()].concat()
}

/// A bitswap message with a raw block.
pub(crate) fn block(bytes: &[u8]) -> Vec<u8> {
    framed(&field(3, &[field(1, &[0x01, 0x55, 0x12, 0x20]), field(2, bytes)].concat()))
}

/// A bitswap message that claims to have a block.
pub(crate) fn have(cid: &Cid) -> Vec<u8> {
    framed(&field(4, &field(1, &cid.to_bytes())))
}

/// A bitswap message that asks for a block.
pub(crate) fn want(cid: &Cid) -> Vec<u8> {
    framed(&field(1, &field(1, &field(1, &cid.to_bytes()))))
}
