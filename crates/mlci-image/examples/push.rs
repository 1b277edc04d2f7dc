//! Builds an image of two files and pushes it to a registry, without a daemon.
//!
//! `cargo run -p mlci-image --features registry --example push -- SERVER MODEL localhost:5000/team/wine:v1`
//!
//! Credentials are those of `docker login`. SERVER is a static Linux program.

#![allow(clippy::print_stdout)] // An example is a program.

use std::{env, error::Error};

use mlci_image::{ImageSpec, Layout, Reference, Registry};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [server, model, reference] = arguments()?;
    let reference: Reference = reference.parse()?;
    let folder = tempfile::tempdir()?;
    let layout = Layout::open(folder.path())?;
    let image = layout.build(&ImageSpec::new(server, model))?;

    let registry = Registry::builder().build()?;
    let pushed = registry.push(&layout, &image.digest, &reference).await?;
    println!("{}: {} blobs sent, {} bytes", pushed.reference, pushed.uploaded, pushed.uploaded_bytes);
    let again = registry.push(&layout, &image.digest, &reference).await?;
    println!("once more: unchanged = {}", again.unchanged);

    let other = Layout::open(&folder.path().join("other"))?;
    let pulled = registry.pull(&pushed.reference, &other).await?;
    other.verify(&pulled.digest)?;
    println!("pulled {} and verified it", pulled.digest);
    Ok(())
}

fn arguments() -> Result<[String; 3], Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    arguments.try_into().map_err(|_| "usage: push SERVER MODEL REFERENCE".into())
}
