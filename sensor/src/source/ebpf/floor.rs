//! Tests that the base set asks for nothing that Linux 5.8 lacks, on kernels that have more.

use aya_obj::Object;

use super::loader::BASE_OBJECT;

/// The last helper and the last kind of map of Linux 5.8: `bpf_csum_level` and the ring buffer
/// (`include/uapi/linux/bpf.h`).
const LAST_HELPER: i32 = 135;
const LAST_MAP_TYPE: u32 = 27;

/// BPF_JMP | BPF_CALL, and BPF_STX | BPF_ATOMIC of either width.
const CALL: u8 = 0x85;
const ATOMIC: [u8; 2] = [0xc3, 0xdb];
/// Of a call: what is called is a function of the program itself.
const PSEUDO_CALL: u8 = 1;
/// `tail_call`, which a program that calls functions of its own may make since 5.10.
const TAIL_CALL: i32 = 12;

#[test]
fn helpers_and_maps_are_those_of_linux_5_8() {
    let object = Object::parse(BASE_OBJECT).unwrap();
    assert!(object.functions.len() > 20 && object.maps.len() > 10);
    for function in object.functions.values() {
        let name = &function.name;
        let calls = || function.instructions.iter().filter(|instruction| instruction.code == CALL);
        for call in calls().filter(|call| call.src_reg() == 0) {
            assert!(call.imm <= LAST_HELPER, "{name} calls helper {}", call.imm);
        }
        // Adding without reading the old value is as old as eBPF.
        for instruction in &function.instructions {
            let is_new = ATOMIC.contains(&instruction.code) && instruction.imm != 0;
            assert!(!is_new, "{name} has an atomic instruction of 5.12");
        }
        if calls().any(|call| call.src_reg() == 0 && call.imm == TAIL_CALL) {
            assert!(!calls().any(|call| call.src_reg() == PSEUDO_CALL), "{name} calls and leaves");
        }
    }
    for (name, map) in &object.maps {
        assert!(map.map_type() <= LAST_MAP_TYPE, "{name} is of kind {}", map.map_type());
    }
}
