"""The official Python SDKs upload to the local server and read back what they sent.

    python sdk_interop.py http://127.0.0.1:PORT

oss2 with signatures of version 1 and 4, alibabacloud-oss-v2 with both too.
"""

import os
import sys
import tempfile

import alibabacloud_oss_v2 as oss
import oss2

KEY_ID = "local-id"
KEY_SECRET = "local-secret"
REGION = "cn-hangzhou"
BUCKET = "interop-bucket"
PART = 200 * 1024
KEYS = [
    "plain.bin",
    "folder/with space.bin",
    "a+b.bin",
    "100%.bin",
    "what?.bin",
    "sharp#.bin",
    "备份/文件.bin",
    "rocket \U0001f680.bin",
    "'()!*~&=@:,;$[]\"<>|^`{}.bin",
]
BODY = os.urandom(3_500_123)


def crc64(data):
    crc = oss2.utils.Crc64()
    crc.update(data)
    return crc.crc


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def with_oss2(endpoint, auth, path, prefix):
    region = REGION if isinstance(auth, oss2.ProviderAuthV4) else None
    bucket = oss2.Bucket(auth, endpoint, BUCKET, region=region, is_path_style=True)
    for key in (prefix + key for key in KEYS):
        data = key.encode() * 100
        put = bucket.put_object(key, data, headers={"x-oss-meta-kind": "test", "Content-Type": "text/plain"})
        check(put.crc == crc64(data), "CRC of put")
        head = bucket.head_object(key)
        check(head.content_length == len(data), "length of head")
        check(head.headers["x-oss-meta-kind"] == "test", "user metadata")
        check(head.content_type == "text/plain", "content type")
        check(bucket.get_object(key).read() == data, "bytes of get")
        check(bucket.get_object(key, byte_range=(1, 5)).read() == data[1:6], "range")
        check(bucket.get_object_meta(key).etag == put.etag, "objectMeta")

        oss2.resumable_upload(bucket, key, path, multipart_threshold=PART, part_size=PART, num_threads=2)
        whole = bucket.get_object(key)
        check(whole.read() == BODY, "bytes of the multipart object")
        check(whole.server_crc == crc64(BODY), "CRC of the multipart object")

        upload_id = bucket.init_multipart_upload(key).upload_id
        for number in (2, 5, 7):
            bucket.upload_part(key, upload_id, number, BODY[:PART])
        parts = list(oss2.PartIterator(bucket, key, upload_id, max_parts=2))
        check([part.part_number for part in parts] == [2, 5, 7], "list parts")
        check([part.size for part in parts] == [PART] * 3, "sizes of parts")
        uploads = list(oss2.MultipartUploadIterator(bucket, prefix=prefix, max_uploads=1))
        check([(u.key, u.upload_id) for u in uploads] == [(key, upload_id)], "list uploads")
        bucket.abort_multipart_upload(key, upload_id)
        try:
            bucket.list_parts(key, upload_id)
            raise AssertionError("the upload outlived its abort")
        except oss2.exceptions.NoSuchUpload as error:
            check(error.request_id, "request id of an error")
        bucket.delete_object(key)
        check(not bucket.object_exists(key), "the object outlived its delete")


def with_v2(endpoint, version, path, prefix):
    config = oss.config.load_default()
    config.credentials_provider = oss.credentials.StaticCredentialsProvider(KEY_ID, KEY_SECRET)
    config.region = REGION
    config.endpoint = endpoint
    config.use_path_style = True
    config.signature_version = version
    client = oss.Client(config)
    for key in (prefix + key for key in KEYS):
        data = key.encode() * 100
        put = client.put_object(
            oss.PutObjectRequest(BUCKET, key, body=data, metadata={"kind": "test"}, content_type="text/plain")
        )
        check(int(put.hash_crc64) == crc64(data), "CRC of put")
        head = client.head_object(oss.HeadObjectRequest(BUCKET, key))
        check(head.content_length == len(data), "length of head")
        check(head.metadata["kind"] == "test", "user metadata")
        got = client.get_object(oss.GetObjectRequest(BUCKET, key))
        check(got.body.content == data, "bytes of get")

        uploader = client.uploader(part_size=PART, parallel_num=2)
        done = uploader.upload_file(oss.PutObjectRequest(BUCKET, key), filepath=path)
        check(int(done.hash_crc64) == crc64(BODY), "CRC of the multipart object")
        got = client.get_object(oss.GetObjectRequest(BUCKET, key))
        check(got.body.content == BODY, "bytes of the multipart object")

        upload_id = client.initiate_multipart_upload(oss.InitiateMultipartUploadRequest(BUCKET, key)).upload_id
        for number in (2, 5, 7):
            client.upload_part(oss.UploadPartRequest(BUCKET, key, number, upload_id, body=BODY[:PART]))
        pages = client.list_parts_paginator().iter_page(oss.ListPartsRequest(BUCKET, key, upload_id, max_parts=2))
        numbers = [part.part_number for page in pages for part in page.parts or []]
        check(numbers == [2, 5, 7], "list parts")
        pages = client.list_multipart_uploads_paginator().iter_page(
            oss.ListMultipartUploadsRequest(BUCKET, prefix=prefix, max_uploads=1)
        )
        uploads = [(u.key, u.upload_id) for page in pages for u in page.uploads or []]
        check(uploads == [(key, upload_id)], f"list uploads: {uploads}")
        client.abort_multipart_upload(oss.AbortMultipartUploadRequest(BUCKET, key, upload_id))
        try:
            client.list_parts(oss.ListPartsRequest(BUCKET, key, upload_id))
            raise AssertionError("the upload outlived its abort")
        except oss.exceptions.OperationError as error:
            cause = error.unwrap()
            check(isinstance(cause, oss.exceptions.ServiceError), f"a service error: {cause}")
            check(cause.code == "NoSuchUpload", f"NoSuchUpload: {cause}")
        client.delete_object(oss.DeleteObjectRequest(BUCKET, key))
        check(not client.is_object_exist(BUCKET, key), "the object outlived its delete")


def wrong_secret_is_refused(endpoint):
    for auth in (oss2.Auth(KEY_ID, "wrong"), v4_auth("wrong")):
        bucket = oss2.Bucket(auth, endpoint, BUCKET, region=REGION, is_path_style=True)
        try:
            bucket.put_object("k", b"data")
            raise AssertionError("a wrong secret was accepted")
        except oss2.exceptions.SignatureDoesNotMatch:
            pass


def v4_auth(secret):
    return oss2.ProviderAuthV4(oss2.credentials.StaticCredentialsProvider(KEY_ID, secret))


def main():
    endpoint = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file")
        with open(path, "wb") as file:
            file.write(BODY)
        runs = {
            "oss2 V1": lambda: with_oss2(endpoint, oss2.Auth(KEY_ID, KEY_SECRET), path, "oss2 v1/"),
            "oss2 V4": lambda: with_oss2(endpoint, v4_auth(KEY_SECRET), path, "oss2 v4/"),
            "alibabacloud-oss-v2 V1": lambda: with_v2(endpoint, "v1", path, "v2 v1/"),
            "alibabacloud-oss-v2 V4": lambda: with_v2(endpoint, "v4", path, "v2 v4/"),
            "wrong secret": lambda: wrong_secret_is_refused(endpoint),
        }
        for name, run in runs.items():
            run()
            print(f"interop: {name}: ok", flush=True)


if __name__ == "__main__":
    main()
