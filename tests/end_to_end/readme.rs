//! The calls that README.md shows, run as they are written.

use std::fs;
use std::process::Command;

use serde_json::Value;
use xtask::paths::workspace_root;

use super::scene;

#[test]
fn the_calls_of_the_readme_pay_an_invoice() {
    let readme = fs::read_to_string(workspace_root().join("README.md")).unwrap();
    let (_, section) = readme.split_once("\n## The API in five calls\n").expect("README.md shows the calls");
    let (_, block) = section.split_once("```sh\n").expect("the calls are a block of shell");
    let (block, _) = block.split_once("```").expect("the block ends");
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", block])
        .current_dir(workspace_root())
        .env("QUITTANCE_STACK_NAME", &scene().stack.name)
        .output()
        .unwrap();
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{errors}");
    let last = out.trim_end().lines().last().unwrap_or_default();
    let invoice: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {out}"));
    assert_eq!(invoice["status"], "paid", "{invoice}");
}
