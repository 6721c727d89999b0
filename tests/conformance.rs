//! Every op on the device against its f64 reference.

use luthier::gpu::{AdapterChoice, Gpu};

#[test]
fn every_op_matches_its_reference() {
    let gpu = Gpu::open(&AdapterChoice::Best).expect("tests need an adapter: run `make test`");
    let outcomes = luthier::selftest::run(&gpu, "", |_| {}).expect("the device works");
    let failures: Vec<String> =
        outcomes.iter().filter_map(|o| o.failure.as_ref().map(|f| format!("{}\n    {f}", o.case))).collect();
    assert!(
        failures.is_empty(),
        "{} of {} cases failed:\n{}",
        failures.len(),
        outcomes.len(),
        failures.join("\n")
    );
    assert!(outcomes.len() > 200, "only {} cases", outcomes.len());
}
