//! Builds an image of two files, loads it into the Docker Engine and runs it.
//!
//! `cargo run -p mlci-image --features docker --example docker -- SERVER MODEL localhost/wine:v1`
//!
//! `DOCKER_HOST` says where the engine is. SERVER is a static Linux program.

#![allow(clippy::print_stdout)] // An example is a program.

use std::{env, error::Error};

use mlci_image::{Engine, ImageSpec, Layout, Network, Reference, RunOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [server, model, tag] = arguments()?;
    let tag: Reference = tag.parse()?;
    let folder = tempfile::tempdir()?;
    let layout = Layout::open(folder.path())?;
    let image = layout.build(&ImageSpec::new(server, model))?;

    let engine = Engine::connect().await?;
    let id = engine.load(&layout, &image.digest, &tag).await?;
    println!("loaded {id} as {tag}");

    let options = RunOptions { network: Network::Host, ..RunOptions::default() };
    let container = engine.run(&id, &options).await?;
    println!("container {} runs: {}", container.id(), container.is_running().await?);
    container.stop(10).await?;
    println!("{}", container.logs().await?);
    container.remove().await?;
    Ok(())
}

fn arguments() -> Result<[String; 3], Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    arguments.try_into().map_err(|_| "usage: docker SERVER MODEL TAG".into())
}
