//! A connection to one server: TCP, TLS, who we are, and a first answer. The protocol and the pairing of commands and answers
//! are crate redis'.

use std::pin::Pin;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, RedisConnectionInfo, Value};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::address::{Credentials, Server};
use crate::error::StoreError;
use crate::redis::setback::Setback;

/// How many commands may wait to be written to one connection.
const QUEUE: usize = 256;

/// How connections are made.
pub(crate) struct Wire {
    info: RedisConnectionInfo,
    tls: Option<TlsConnector>,
    limit: Duration,
}

/// A connection that has answered.
pub(crate) struct Opened {
    pub(crate) connection: MultiplexedConnection,
    /// Must be polled for the connection to work; ends with it.
    pub(crate) driver: Driver,
    /// What was answered.
    pub(crate) answer: Value,
}

pub(crate) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Wire {
    /// Connections that take `limit` at most to be made.
    pub(crate) fn new(credentials: &Credentials, database: u16, tls: Option<TlsConnector>, limit: Duration) -> Self {
        let mut info = RedisConnectionInfo::default().set_db(i64::from(database)).set_skip_set_lib_name();
        if let Some(user) = &credentials.user {
            info = info.set_username(user);
        }
        if let Some(password) = &credentials.password {
            info = info.set_password(password.expose());
        }
        Self { info, tls, limit }
    }

    /// Connects and asks `question`: a server that takes connections and says nothing is none.
    pub(crate) async fn open(&self, server: &Server, question: &Cmd) -> Result<Opened, StoreError> {
        let opening = tokio::time::timeout(self.limit, self.connect(server, question));
        opening.await.unwrap_or(Err(StoreError::Timeout { after: self.limit }))
    }

    /// One question on a connection of its own.
    pub(crate) async fn ask(&self, server: &Server, question: &Cmd) -> Result<Value, StoreError> {
        Ok(self.open(server, question).await?.answer)
    }

    async fn connect(&self, server: &Server, question: &Cmd) -> Result<Opened, StoreError> {
        let unreachable = |error: std::io::Error| StoreError::Unreachable { detail: format!("{server}: {error}") };
        let stream = TcpStream::connect((server.host(), server.port())).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        match &self.tls {
            None => self.greet(server, stream, question).await,
            Some(connector) => {
                let name = ServerName::try_from(server.host().to_owned())
                    .map_err(|error| StoreError::Unreachable { detail: format!("{server}: {error}") })?;
                let stream = connector.connect(name, stream).await.map_err(unreachable)?;
                self.greet(server, stream, question).await
            }
        }
    }

    async fn greet<S>(&self, server: &Server, stream: S, question: &Cmd) -> Result<Opened, StoreError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Times are ours.
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_pipeline_buffer_size(QUEUE);
        let failed = |error| match Setback::of(&error, server) {
            Setback::Lost { detail } => StoreError::Unreachable { detail: format!("{server}: {detail}") },
            other => other.into_error(self.limit),
        };
        let opened = MultiplexedConnection::new_with_config(&self.info, stream, config).await;
        let (connection, driver) = opened.map_err(failed)?;
        let mut driver: Driver = Box::pin(driver);
        let mut asking = connection.clone();
        let answer = tokio::select! {
            answer = question.query_async::<Value>(&mut asking) => answer.map_err(failed)?,
            () = &mut driver => {
                return Err(StoreError::Unreachable { detail: format!("{server}: the connection ended at once") });
            }
        };
        drop(asking);
        Ok(Opened { connection, driver, answer })
    }
}
