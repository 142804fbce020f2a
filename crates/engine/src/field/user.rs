//! On whose behalf: user and group.
//!
//! One row a field; the columns are those of [`Info`](super::Info).

macro_rules! user_fields {
    ([$next:ident $($later:ident)*] $($rows:tt)*) => {
        $next! {
            [$($later)*] $($rows)*

            UserUid "user.uid" Uint Scalar None Syscall [] "Effective user id";
            UserName "user.name" Text Scalar None Syscall [] "Name of the effective user";
            UserHomedir "user.homedir" Text Scalar None Nobody [] "Home directory of the user";
            UserShell "user.shell" Text Scalar None Nobody [] "Shell of the user";
            UserLoginuid "user.loginuid" Int Scalar None Syscall [] "User id at login, -1 when there was none";
            UserLoginname "user.loginname" Text Scalar None Syscall [] "Name of the user at login";
            GroupGid "group.gid" Uint Scalar None Syscall [] "Effective group id";
            GroupName "group.name" Text Scalar None Syscall [] "Name of the effective group";
        }
    };
}

pub(super) use user_fields;
