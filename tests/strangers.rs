//! Inputs that the fuzzer found worth keeping, tested with the stable compiler.

#[path = "fuzz/targets.rs"]
#[expect(unreachable_pub, reason = "the file is the root of the fuzzer's crate too")]
mod targets;

use std::fs;

use xtask::paths::workspace_root;

use self::targets::TARGETS;

#[test]
fn no_input_that_the_fuzzer_kept_breaks_what_reads_it() {
    for (name, target) in TARGETS {
        let folder = workspace_root().join("tests/fuzz/corpus").join(name);
        let kept: Vec<_> =
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())).collect();
        assert!(!kept.is_empty(), "{name} has no corpus: cargo xtask fuzz {name}");
        for input in kept {
            target(&fs::read(input.unwrap().path()).unwrap());
        }
    }
}

#[test]
fn every_target_is_a_program_of_the_fuzzer() {
    let programs = fs::read_dir(workspace_root().join("tests/fuzz/fuzz_targets")).unwrap();
    let mut programs: Vec<String> =
        programs.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    programs.sort();
    let mut targets: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    targets.sort_unstable();
    assert_eq!(programs, targets);
}
