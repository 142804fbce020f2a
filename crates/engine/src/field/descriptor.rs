//! On what: the descriptor with its file or connection, and paths of calls without one.
//!
//! One row a field; the columns are those of [`Info`](super::Info).

macro_rules! descriptor_fields {
    ([$next:ident $($later:ident)*] $($rows:tt)*) => {
        $next! {
            [$($later)*] $($rows)*

            FdNum "fd.num" Int Scalar None Syscall [] "Descriptor number, negative when the call failed";
            FdType "fd.type" Text Scalar None Syscall [] "Type of the descriptor: file, directory, ipv4, ipv6, unix, pipe, ...";
            FdTypechar "fd.typechar" Text Scalar None Syscall [] "Type of the descriptor as one character: f, d, 4, 6, u, p, ...";
            FdName "fd.name" Path Scalar None Syscall [] "Full path of a file, or client->server of a connection";
            FdNameResolved "fd.name.resolved" Path Scalar None Syscall [Own] "Path of the file that was really opened, where it is not fd.name";
            FdNameUnseen "fd.name.unseen" Bool Scalar None Syscall [Own] "Whether a file was opened or named and only what the program wrote says which: the file itself was not seen";
            FdDirectory "fd.directory" Path Scalar None Syscall [] "Path up to the last slash";
            FdFilename "fd.filename" Path Scalar None Syscall [] "Path after the last slash";
            FdIp "fd.ip" Ip EitherEnd None Syscall [ConditionOnly LeftOnly NoTransformer] "Address of either end";
            FdCip "fd.cip" Ip Scalar None Syscall [] "Address of the client";
            FdSip "fd.sip" Ip Scalar None Syscall [] "Address of the server";
            FdLip "fd.lip" Ip Scalar None Syscall [] "Local address";
            FdRip "fd.rip" Ip Scalar None Syscall [] "Remote address";
            FdPort "fd.port" Port EitherEnd None Syscall [ConditionOnly LeftOnly NoTransformer] "Port of either end";
            FdCport "fd.cport" Port Scalar None Syscall [] "Port of the client";
            FdSport "fd.sport" Port Scalar None Syscall [] "Port of the server";
            FdLport "fd.lport" Port Scalar None Syscall [] "Local port";
            FdRport "fd.rport" Port Scalar None Syscall [] "Remote port";
            FdL4proto "fd.l4proto" Text Scalar None Syscall [] "Transport: tcp, udp, icmp or raw";
            FdSockfamily "fd.sockfamily" Text Scalar None Syscall [] "ip or unix";
            FdIsServer "fd.is_server" Bool Scalar None Syscall [] "Whether the process is the server of the connection";
            FdUid "fd.uid" Text Scalar None Nobody [] "Thread id and descriptor number in one";
            FdContainername "fd.containername" Text Scalar None Nobody [] "Container id and fd.name in one";
            FdContainerdirectory "fd.containerdirectory" Text Scalar None Nobody [] "Container id and fd.directory in one";
            FdProto "fd.proto" Port EitherEnd None Syscall [ConditionOnly LeftOnly NoTransformer] "Port of either end, by the name of its service";
            FdCproto "fd.cproto" Text Scalar None Syscall [] "Service of the client's port";
            FdSproto "fd.sproto" Text Scalar None Syscall [] "Service of the server's port";
            FdLproto "fd.lproto" Text Scalar None Syscall [] "Service of the local port";
            FdRproto "fd.rproto" Text Scalar None Syscall [] "Service of the remote port";
            FdNet "fd.net" Net EitherEnd None Syscall [ConditionOnly LeftOnly NoTransformer] "Network that either end is in";
            FdCnet "fd.cnet" Net Scalar None Syscall [ConditionOnly LeftOnly NoTransformer] "Network that the client is in";
            FdSnet "fd.snet" Net Scalar None Syscall [ConditionOnly LeftOnly NoTransformer] "Network that the server is in";
            FdLnet "fd.lnet" Net Scalar None Syscall [ConditionOnly LeftOnly NoTransformer] "Network that the local address is in";
            FdRnet "fd.rnet" Net Scalar None Syscall [ConditionOnly LeftOnly NoTransformer] "Network that the remote address is in";
            FdConnected "fd.connected" Bool Scalar None Syscall [] "Whether the socket is connected";
            FdNameChanged "fd.name_changed" Bool Scalar None Syscall [] "Whether the event changed the addresses of the socket";
            FdCipName "fd.cip.name" Text EitherEnd None Syscall [LeftOnly NoTransformer] "Host names of the client, of those that enabled rules compare with it";
            FdSipName "fd.sip.name" Text EitherEnd None Syscall [LeftOnly NoTransformer] "Host names of the server, of those that enabled rules compare with it";
            FdLipName "fd.lip.name" Text EitherEnd None Syscall [LeftOnly NoTransformer] "Local host names, of those that enabled rules compare with them";
            FdRipName "fd.rip.name" Text EitherEnd None Syscall [LeftOnly NoTransformer] "Remote host names, of those that enabled rules compare with them";
            FdDev "fd.dev" Uint Scalar None Syscall [] "Device";
            FdDevMajor "fd.dev.major" Uint Scalar None Syscall [] "Major number of the device";
            FdDevMinor "fd.dev.minor" Uint Scalar None Syscall [] "Minor number of the device";
            FdIno "fd.ino" Uint Scalar None Syscall [] "Inode";
            FdNameraw "fd.nameraw" Text Scalar None Syscall [] "Path as the program gave it";
            FdTypes "fd.types" Text List OptionalIndex Nobody [LeftOnly] "Types of all open descriptors, or of one by its number";
            FdIsUpperLayer "fd.is_upper_layer" Bool Scalar None Syscall [] "Whether the file is in the writable layer of an overlay file system";
            FdIsLowerLayer "fd.is_lower_layer" Bool Scalar None Syscall [] "Whether the file is in a read-only layer of an overlay file system";
            FdlistNums "fdlist.nums" Text Scalar None Nobody [] "Descriptor numbers that poll waits for, separated by commas";
            FdlistNames "fdlist.names" Text Scalar None Nobody [] "Names of the descriptors that poll waits for, separated by commas";
            FdlistCips "fdlist.cips" Text Scalar None Nobody [] "Client addresses of the descriptors that poll waits for, separated by commas";
            FdlistSips "fdlist.sips" Text Scalar None Nobody [] "Server addresses of the descriptors that poll waits for, separated by commas";
            FdlistCports "fdlist.cports" Text Scalar None Nobody [] "Client ports of the descriptors that poll waits for, separated by commas";
            FdlistSports "fdlist.sports" Text Scalar None Nobody [] "Server ports of the descriptors that poll waits for, separated by commas";
            FsPathName "fs.path.name" Path Scalar None Syscall [] "Full path that the call is about";
            FsPathNameraw "fs.path.nameraw" Path Scalar None Syscall [] "Path that the call is about, as the program gave it";
            FsPathSource "fs.path.source" Path Scalar None Syscall [] "Full path of the source of a call with two paths, as rename";
            FsPathSourceraw "fs.path.sourceraw" Path Scalar None Syscall [] "Source of a call with two paths, as the program gave it";
            FsPathTarget "fs.path.target" Path Scalar None Syscall [] "Full path of the target of a call with two paths, as rename";
            FsPathTargetraw "fs.path.targetraw" Path Scalar None Syscall [] "Target of a call with two paths, as the program gave it";
        }
    };
}

pub(super) use descriptor_fields;
