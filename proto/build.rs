//! Compiles the `.proto` files in pure Rust, so that building needs no protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=llmctl");
    let descriptors = protox::compile(["llmctl/v1/control.proto"], ["."])?;
    tonic_prost_build::configure().build_transport(false).compile_fds(descriptors)?;
    Ok(())
}
