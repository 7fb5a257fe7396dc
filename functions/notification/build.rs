//! Has new templates noticed: the program holds those that were there when it was built.

fn main() {
    println!("cargo::rerun-if-changed=templates");
}
