//! Every request says for which plan it is.

use lanner_alert::{AlertId, PlanId};
use lanner_responder::action::Cluster;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

#[tokio::test]
async fn the_user_agent_is_the_plan() {
    lanner_service::install_crypto();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kubeconfig");
    let kubeconfig = format!(
        "{{apiVersion: v1, kind: Config, current-context: c, \
         clusters: [{{name: c, cluster: {{server: \"http://{address}\"}}}}], \
         users: [{{name: u, user: {{}}}}], contexts: [{{name: c, context: {{cluster: c, user: u}}}}]}}"
    );
    std::fs::write(&path, kubeconfig).unwrap();
    let plan = PlanId::of(AlertId::new(), "p", "v");
    let cluster = Cluster::connect(Some(&path)).await.unwrap().for_plan(plan);

    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let len = stream.read(&mut request).await.unwrap();
        stream.write_all(b"HTTP/1.1 500 x\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        String::from_utf8_lossy(&request[..len]).into_owned()
    };
    let (request, answer) = tokio::join!(server, cluster.version());
    assert!(request.contains(&format!("user-agent: lanner/{plan}\r\n")), "{request}");
    answer.unwrap_err();
}
