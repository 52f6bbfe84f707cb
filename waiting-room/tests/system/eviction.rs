//! A Redis that may drop what it was given is none for a waiting room.

use super::world::World;
use chassis::keys::KeyFolder;
use chassis::{Health, Shutdown};
use schema::Shards;
use waiting_room::{Config, Deps, Error, Stage};

async fn start(world: &World) -> Result<Stage, Error> {
    let keys = tempfile::tempdir().unwrap();
    let deps = Deps {
        nats: world.servers.nats().await,
        redis: world.servers.redis().await,
        keys: KeyFolder::open(keys.path()).unwrap(),
        health: Health::new(),
        shutdown: Shutdown::new(),
        instance: "a".to_owned(),
        shards: Shards::default(),
    };
    waiting_room::start(Config::default(), deps).await
}

#[tokio::test]
async fn a_redis_that_evicts_is_refused_and_one_that_does_not_tell_is_believed() {
    let world = World::new().await;
    let redis = world.servers.redis().await;
    let set = async |policy: &str| {
        let mut command = redis::cmd("CONFIG");
        let () = redis.query(command.arg("SET").arg("maxmemory-policy").arg(policy)).await.unwrap();
    };
    for policy in ["allkeys-lru", "volatile-lru"] {
        set(policy).await;
        let refused = start(&world).await.unwrap_err();
        assert!(matches!(&refused, Error::Evicts { policy: found } if found == policy));
        assert!(refused.to_string().contains("noeviction"), "{refused}");
    }
    set("noeviction").await;
    start(&world).await.unwrap();
    set("allkeys-lru").await;
    let mut forbid = redis::cmd("ACL");
    let () = redis.query(forbid.arg("SETUSER").arg("default").arg("-config")).await.unwrap();
    start(&world).await.unwrap();
}
