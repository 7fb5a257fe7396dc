//! Rebuilds when templates are added: they are embedded in the binary.

fn main() {
    println!("cargo::rerun-if-changed=templates");
}
