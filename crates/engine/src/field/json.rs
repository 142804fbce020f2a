//! The JSON of an event.
//!
//! One row a field; the columns are those of [`Info`](super::Info).

macro_rules! json_fields {
    ([$next:ident $($later:ident)*] $($rows:tt)*) => {
        $next! {
            [$($later)*] $($rows)*

            JsonValue "json.value" Text Scalar RequiredKey Audit [] "Value at a JSON pointer of the event";
            JsonObj "json.obj" Text Scalar None Audit [] "The whole JSON event, indented";
            JsonRawtime "json.rawtime" Time Scalar None Engine [] "Time of the event in nanoseconds since the Unix epoch";
            JevtValue "jevt.value" Text Scalar RequiredKey Audit [] "The same as json.value";
            JevtObj "jevt.obj" Text Scalar None Audit [] "The same as json.obj";
            JevtTime "jevt.time" Time Scalar None Engine [] "Time of the JSON event: hours, minutes, seconds, nanoseconds (UTC)";
            JevtRawtime "jevt.rawtime" Time Scalar None Engine [] "The same as json.rawtime";
        }
    };
}

pub(super) use json_fields;
