//! Rebuilds the crate when a migration is added: its macro sees only the files that it knows.

fn main() {
    println!("cargo:rerun-if-changed=../../schema/migrations");
}
