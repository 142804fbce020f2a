fn main() -> anyhow::Result<()> {
    let rt = tokio::runtime::Runtime::new()?;
    rt.block_on(async {
        let loaded = lanner_sensor::source::ebpf::load(8 << 20)?;
        let (tx, mut rx) = tokio::sync::mpsc::channel(1000);
        let stop = tokio_util::sync::CancellationToken::new();
        let losses = std::sync::Arc::<lanner_sensor::source::ebpf::LossCounts>::default();
        let l2 = losses.clone();
        let j = tokio::spawn(lanner_sensor::source::ebpf::read_until(stop, loaded, tx, losses));
        tokio::spawn(async move { println!("joined {:?}", j.await) });
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                eprintln!("{l2:?}")
            }
        });
        while let Some(r) = rx.recv().await {
            println!("{:?}", lanner_sensor::decode::decode(&r));
        }
        Ok(())
    })
}
