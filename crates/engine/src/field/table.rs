//! Every field a condition or an output may name, made of the rows of all classes.

use std::{collections::HashMap, sync::LazyLock};

use super::{
    ArgumentRule, Filler, Flag, Info, Kind, Shape, audit::audit_fields,
    audit_pod::audit_pod_fields, container::container_fields, descriptor::descriptor_fields,
    event::event_fields, json::json_fields, kubernetes::kubernetes_fields, process::process_fields,
    user::user_fields,
};

macro_rules! define_fields {
    ([] $(
        $variant:ident $name:literal $kind:ident $shape:ident $argument:ident $filler:ident
        [$($flag:ident)*] $description:literal;
    )*) => {
        /// A field that a condition or an output may name.
        ///
        /// The variant is the dotted name in camel case: `proc.exe_ino.ctime` is `ProcExeInoCtime`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field {
            $( #[doc = $description] $variant, )*
        }

        impl Field {
            const ALL: &[Self] = &[$( Self::$variant, )*];

            pub(super) fn info(self) -> &'static Info {
                match self {
                    $( Self::$variant => &Info {
                        name: $name,
                        kind: Kind::$kind,
                        shape: Shape::$shape,
                        argument: ArgumentRule::$argument,
                        filler: Filler::$filler,
                        flags: &[$( Flag::$flag, )*],
                        description: $description,
                    }, )*
                }
            }
        }
    };
}

// Each class puts its rows after those it was given and hands all of them to the next.
event_fields!([
    process_fields user_fields descriptor_fields container_fields kubernetes_fields json_fields
    audit_fields audit_pod_fields define_fields
]);

static BY_NAME: LazyLock<HashMap<&'static str, Field>> =
    LazyLock::new(|| Field::ALL.iter().map(|field| (field.name(), *field)).collect());

impl Field {
    /// Every field, in the order of the reference page.
    pub fn all() -> &'static [Self] {
        Self::ALL
    }

    /// The field of that exact name, without an argument.
    pub fn by_name(name: &str) -> Option<Self> {
        BY_NAME.get(name).copied()
    }
}
