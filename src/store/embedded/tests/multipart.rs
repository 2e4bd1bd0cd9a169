//! Uploads in parts.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart, ObjectAttributes,
};

use super::*;

pub(super) const MIB: usize = 1 << 20;

impl Fixture {
    pub(super) async fn begin(&self, key: &str) -> String {
        self.s3
            .create_multipart_upload()
            .bucket(BUCKET)
            .key(key)
            .send()
            .await
            .unwrap()
            .upload_id
            .unwrap()
    }

    pub(super) async fn part(
        &self,
        key: &str,
        id: &str,
        number: i32,
        content: &[u8],
    ) -> CompletedPart {
        let body = ByteStream::from(content.to_vec());
        let part = self
            .s3
            .upload_part()
            .bucket(BUCKET)
            .key(key)
            .upload_id(id)
            .part_number(number)
            .body(body);
        let done = part.send().await.unwrap();
        let completed = CompletedPart::builder()
            .part_number(number)
            .set_e_tag(done.e_tag);
        completed.set_checksum_crc32(done.checksum_crc32).build()
    }

    pub(super) fn complete(
        &self,
        key: &str,
        id: &str,
        parts: Vec<CompletedPart>,
    ) -> aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder{
        let list = CompletedMultipartUpload::builder()
            .set_parts(Some(parts))
            .build();
        self.s3
            .complete_multipart_upload()
            .bucket(BUCKET)
            .key(key)
            .upload_id(id)
            .multipart_upload(list)
    }
}

#[tokio::test]
async fn parts_become_an_object_whose_crc32_is_that_of_the_whole() {
    let fixture = Fixture::new();
    let content = noise(12 * MIB + 5, 7);
    let id = fixture.begin("m/big.bin").await;
    // Out of order, one of them twice.
    let third = fixture
        .part("m/big.bin", &id, 30, &content[10 * MIB..])
        .await;
    let first = fixture.part("m/big.bin", &id, 1, &content[..5 * MIB]).await;
    fixture.part("m/big.bin", &id, 2, b"replaced").await;
    let second = fixture
        .part("m/big.bin", &id, 2, &content[5 * MIB..10 * MIB])
        .await;
    assert_eq!(
        fixture.get_code("m/big.bin").await,
        "NoSuchKey",
        "nothing shows before the end"
    );

    let listed = fixture
        .s3
        .list_parts()
        .bucket(BUCKET)
        .key("m/big.bin")
        .upload_id(&id)
        .send()
        .await
        .unwrap();
    let numbers: Vec<_> = listed
        .parts()
        .iter()
        .map(|part| (part.part_number(), part.size()))
        .collect();
    assert_eq!(
        numbers,
        [
            (Some(1), Some(5 << 20)),
            (Some(2), Some(5 << 20)),
            (Some(30), Some((2 << 20) + 5))
        ]
    );
    let page = fixture
        .s3
        .list_parts()
        .bucket(BUCKET)
        .key("m/big.bin")
        .upload_id(&id)
        .max_parts(1);
    let page = page.part_number_marker("1").send().await.unwrap();
    assert_eq!(
        (page.parts()[0].part_number(), page.is_truncated()),
        (Some(2), Some(true))
    );

    let done = fixture.complete("m/big.bin", &id, vec![first, second, third]);
    let done = done
        .checksum_crc32(crc32_text(&content))
        .mpu_object_size(content.len() as i64)
        .send()
        .await
        .unwrap();
    assert!(done.e_tag.as_ref().unwrap().ends_with("-3\""));
    assert_eq!(done.checksum_crc32, Some(crc32_text(&content)));
    assert!(fixture.read("m/big.bin").await == content);
    assert_eq!(fixture.crc32("m/big.bin").await, Some(crc32_text(&content)));
    let head = fixture
        .reopen()
        .head_object()
        .bucket(BUCKET)
        .key("m/big.bin")
        .send()
        .await
        .unwrap();
    assert_eq!(head.e_tag, done.e_tag);

    let part = fixture
        .s3
        .get_object()
        .bucket(BUCKET)
        .key("m/big.bin")
        .part_number(30)
        .send()
        .await
        .unwrap();
    assert_eq!(part.parts_count, Some(3));
    assert!(part.body.collect().await.unwrap().to_vec() == content[10 * MIB..]);

    let told = fixture
        .s3
        .get_object_attributes()
        .bucket(BUCKET)
        .key("m/big.bin");
    let told = told
        .object_attributes(ObjectAttributes::ObjectParts)
        .object_attributes(ObjectAttributes::Checksum);
    let told = told.send().await.unwrap();
    assert_eq!(
        told.checksum.unwrap().checksum_type,
        Some(ChecksumType::FullObject)
    );
    let parts = told.object_parts.unwrap();
    assert_eq!(parts.total_parts_count, Some(3));
    assert_eq!(
        parts.parts()[2].checksum_crc32,
        Some(crc32_text(&content[10 * MIB..]))
    );
    assert_eq!(parts.parts()[2].size, Some((2 << 20) + 5));
    assert_eq!(
        fixture.count_state("uploads") + fixture.count_state("temp"),
        0
    );
}

#[tokio::test]
async fn a_composite_checksum_is_kept_as_one() {
    let fixture = Fixture::new();
    let create = fixture.s3.create_multipart_upload().bucket(BUCKET).key("c");
    let create = create
        .checksum_algorithm(ChecksumAlgorithm::Crc32)
        .checksum_type(ChecksumType::Composite);
    let id = create.send().await.unwrap().upload_id.unwrap();
    let (one, two) = (noise(5 * MIB, 1), noise(10, 2));
    let parts = vec![
        fixture.part("c", &id, 1, &one).await,
        fixture.part("c", &id, 2, &two).await,
    ];
    fixture.complete("c", &id, parts).send().await.unwrap();
    let sums = [
        crc32fast::hash(&one).to_be_bytes(),
        crc32fast::hash(&two).to_be_bytes(),
    ]
    .concat();
    assert_eq!(
        fixture.crc32("c").await,
        Some(format!("{}-2", crc32_text(&sums)))
    );
    let listed = fixture
        .s3
        .list_objects_v2()
        .bucket(BUCKET)
        .send()
        .await
        .unwrap();
    assert_eq!(
        listed.contents()[0]
            .checksum_type
            .as_ref()
            .unwrap()
            .as_str(),
        "COMPOSITE"
    );
    assert_eq!(fixture.read("c").await.len(), 5 * MIB + 10);
    assert_eq!(
        fixture.crc32("c").await,
        Some(format!("{}-2", crc32_text(&sums))),
        "a whole read changes nothing"
    );
}

#[tokio::test]
async fn wrong_completions_are_refused_and_can_be_mended() {
    let fixture = Fixture::new();
    fixture.put("w", "old").await;
    let id = fixture.begin("w").await;
    let small = fixture.part("w", &id, 1, b"small").await;
    let last = fixture.part("w", &id, 2, b"last").await;
    let fail =
        |parts: Vec<CompletedPart>| async { code(fixture.complete("w", &id, parts).send().await) };
    assert_eq!(
        fail(vec![small.clone(), last.clone()]).await,
        "EntityTooSmall"
    );
    assert_eq!(
        fail(vec![last.clone(), small.clone()]).await,
        "InvalidPartOrder"
    );
    assert_eq!(
        fail(vec![small.clone(), small.clone()]).await,
        "InvalidPartOrder"
    );
    let other = CompletedPart::builder()
        .part_number(2)
        .e_tag("\"00000000000000000000000000000000\"")
        .build();
    assert_eq!(fail(vec![other]).await, "InvalidPart");
    let absent = CompletedPart::builder()
        .part_number(3)
        .set_e_tag(last.e_tag.clone())
        .build();
    assert_eq!(fail(vec![absent]).await, "InvalidPart");
    let wrong = CompletedPart::builder()
        .part_number(2)
        .set_e_tag(last.e_tag.clone())
        .checksum_crc32("AAAAAA==");
    assert_eq!(fail(vec![wrong.build()]).await, "InvalidPart");
    let sum = fixture
        .complete("w", &id, vec![last.clone()])
        .checksum_crc32("AAAAAA==")
        .send()
        .await;
    assert_eq!(code(sum), "BadDigest");
    let barred = fixture
        .complete("w", &id, vec![last.clone()])
        .if_none_match("*")
        .send()
        .await;
    assert_eq!(code(barred), "PreconditionFailed");
    let upload = |number| {
        fixture
            .s3
            .upload_part()
            .bucket(BUCKET)
            .key("w")
            .upload_id(&id)
            .part_number(number)
    };
    assert_eq!(code(upload(0).send().await), "InvalidArgument");
    assert_eq!(code(upload(10_001).send().await), "InvalidArgument");
    let body = ByteStream::from_static(b"x");
    assert_eq!(
        code(upload(3).body(body).checksum_crc32("AAAAAA==").send().await),
        "BadDigest"
    );
    assert_eq!(fixture.read("w").await, b"old");
    fixture.complete("w", &id, vec![last]).send().await.unwrap();
    assert_eq!(fixture.read("w").await, b"last");
    assert_eq!(
        code(fixture.complete("w", &id, vec![small]).send().await),
        "NoSuchUpload"
    );
    assert_eq!(
        fixture.count_state("uploads") + fixture.count_state("temp"),
        0
    );
}
