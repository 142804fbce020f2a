//! The calls of the kernel side and of user space are the same ones.

use lanner_sensor::decode::Call;

#[test]
fn both_sides_number_the_calls_alike() {
    let header = include_str!("../bpf/calls.h");
    let (_, list) = header.split_once("enum call {").unwrap();
    let (list, _) = list.split_once("CALLS,").unwrap();
    let in_kernel: Vec<&str> =
        list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let others = std::iter::once("CALL_OTHER".to_owned());
    let here: Vec<String> = others
        .chain(Call::ALL.iter().map(|call| format!("CALL_{}", call.name().to_uppercase())))
        .collect();
    assert_eq!(here, in_kernel);
}

#[test]
fn a_call_is_found_by_its_number_and_by_its_name() {
    for call in Call::ALL {
        assert_eq!(Call::from_id(call.id()), Some(*call));
        assert_eq!(Call::from_name(call.name()), Some(*call));
    }
    assert_eq!(Call::from_id(u16::MAX), None);
    assert_eq!(Call::from_name("other"), None);
}
