//! Rebuilds the crate when a migration is added; the macro that embeds them sees only those it knows.
#![expect(clippy::print_stdout, reason = "this is how a build script talks to cargo")]

fn main() {
    println!("cargo:rerun-if-changed=../../schema/migrations");
}
