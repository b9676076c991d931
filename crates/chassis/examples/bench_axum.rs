//! One handler on axum and nothing else: what the bench compares the chassis with. Takes the address to listen at.

use std::error::Error;

use gwanmun_chassis::axum::{self, Router, routing::get};

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("an address is wanted")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let routes = Router::new().route("/items/{id}", get(async || "an item"));
        axum::serve(tokio::net::TcpListener::bind(address).await?, routes).await?;
        Ok(())
    })
}
