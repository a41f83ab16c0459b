"""What is compared with what: a verification and identification protocol, on the host."""

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Int, Shaped


def as_id_array(values) -> np.ndarray:
    """Integers as int32 where they fit, else int64: ids of one protocol have one dtype."""
    values = np.asarray(values)
    if values.dtype.kind not in "iu" and values.size:
        raise ValueError(f"Ids of a protocol are integers; got {values.dtype}.")
    low, high = (values.min(), values.max()) if values.size else (0, 0)
    narrow = -(2**31) <= int(low) and int(high) < 2**31
    return values.astype(np.int32 if narrow else np.int64, copy=False)


def _as_names(values) -> np.ndarray:
    names = np.asarray(values, str)
    width = np.strings.str_len(names).max(initial=1)
    return names.astype(f"U{width}", copy=False)


def locate(known: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position of each wanted id among the sorted `known`, and whether it is there."""
    if not known.size:
        return np.zeros(wanted.shape, int), np.zeros(wanted.shape, bool)
    wanted = wanted.astype(np.result_type(known, wanted), copy=False)
    first, last = int(known[0]), int(known[-1])
    if last - first < wanted.size:  # a table is much faster than so many searches
        position = np.zeros(last - first + 1, np.int32)
        position[known - first] = np.arange(known.size)
        at = position[np.clip(wanted, first, last) - first]
    else:
        at = np.minimum(np.searchsorted(known, wanted), known.size - 1)
    return at, known[at] == wanted


class Roster(eqx.Module):
    """Templates and the person each shows: a gallery of the 1:N protocol, or its probes.

    - `template (m,)`, `subject (m,)`: ids; a template occurs once
    """

    template: Int[np.ndarray, " m"] = eqx.field(converter=as_id_array)
    subject: Int[np.ndarray, " m"] = eqx.field(converter=as_id_array)


class Protocol(eqx.Module):
    """Which images make which templates, and which templates are compared.

    Templates are scored in `pairs` (1:1) and probes are searched in each of the
    `galleries` (1:N). Host arrays; ids are int32 where they fit, else int64.

    - `name`: the data set, as its files begin: "ijbb", "ijbc", "simulated"
    - `image`, `template`, `media (n,)`: name, template id and media id of each image row;
      frames of a video share a media id
    - `pairs (P, 2)`, `genuine (P,)`: template ids; whether both are one person
    - `landmarks (n, 10)`: x, y in pixels of eyes, nose and corners of the mouth; or None
    - `detector_score (n,)`: confidence of the face detector; or None
    - `galleries`: {"G1": Roster, ...}; empty if there is no 1:N protocol
    - `probes`: Roster of the probes; None if there is no 1:N protocol
    """

    name: str = eqx.field(static=True)
    image: Shaped[np.ndarray, " n"] = eqx.field(converter=_as_names)
    template: Int[np.ndarray, " n"] = eqx.field(converter=as_id_array)
    media: Int[np.ndarray, " n"] = eqx.field(converter=as_id_array)
    pairs: Int[np.ndarray, "P 2"] = eqx.field(converter=as_id_array)
    genuine: Bool[np.ndarray, " P"] = eqx.field(converter=np.asarray)
    landmarks: Float[np.ndarray, "n 10"] | None = None
    detector_score: Float[np.ndarray, " n"] | None = None
    galleries: dict[str, Roster] = eqx.field(default_factory=dict)
    probes: Roster | None = None

    def __check_init__(self):
        n, pairs = self.n_images, self.n_pairs
        wanted = {
            "template": (n,),
            "media": (n,),
            "genuine": (pairs,),
            "landmarks": (n, 10),
            "detector_score": (n,),
        }
        for field, shape in wanted.items():
            value = getattr(self, field)
            if value is not None and value.shape != shape:
                raise ValueError(
                    f"A protocol of {n} images and {pairs} pairs has {field} {shape}; got "
                    f"{value.shape}."
                )
        if (self.landmarks is None) != (self.detector_score is None):
            raise ValueError("A protocol has landmarks and detector scores, or neither.")
        if (self.probes is None) != (not self.galleries):
            raise ValueError("A protocol has galleries and probes, or neither.")
        if "probes" in self.galleries:
            raise ValueError("A gallery cannot be called 'probes'.")

    @property
    def n_images(self) -> int:
        """Image rows."""
        return len(self.image)

    @property
    def n_templates(self) -> int:
        """Distinct templates."""
        return len(self.templates)

    @property
    def n_pairs(self) -> int:
        """Pairs of templates to score."""
        return len(self.pairs)

    @property
    def templates(self) -> Int[np.ndarray, " t"]:
        """The template ids, sorted: the order of `group_templates`."""
        return np.unique(self.template)

    @property
    def in_gallery(self) -> Bool[np.ndarray, " n"]:
        """The images of gallery templates: the enrolment set X_E of paper 000, 3.2."""
        self._need_subjects()
        ids = [roster.template for roster in self.galleries.values()]
        return np.isin(self.template, np.concatenate(ids))

    @property
    def in_probes(self) -> Bool[np.ndarray, " n"]:
        """The images of probe templates: the verification set X_V of paper 000, 3.2."""
        return np.isin(self.template, self._need_subjects().template)

    @property
    def template_subject(self) -> Int[np.ndarray, " t"] | None:
        """The subject of each of `templates`, -1 if not listed; None without 1:N files."""
        return None if self.probes is None else self.subject_of(self.templates)

    @property
    def probe_subject(self) -> Int[np.ndarray, " P"]:
        """Who the second template of each pair shows, for intervals over subjects.

        A template in no list is a person of its own. Without 1:N lists, `identities`.
        """
        probe = self.pairs[:, 1].astype(np.int64)
        if self.probes is None:
            return self.identities[locate(self.templates, probe)[0]]
        subject = self.subject_of(probe)
        return np.where(subject < 0, -1 - probe, subject)

    def subject_of(self, template_ids) -> Int[np.ndarray, "*m"]:
        """The subject of each template id, -1 where no gallery and no probe list has it."""
        self._need_subjects()
        rosters = self.rosters.values()
        known, first = np.unique(
            np.concatenate([r.template for r in rosters]), return_index=True
        )
        subject = np.concatenate([r.subject for r in rosters])[first]
        at, there = locate(known, np.asarray(template_ids))
        return np.where(there, subject[at], -1)

    @property
    def identities(self) -> Int[np.ndarray, " t"]:
        """Who each of `templates` shows as far as genuine pairs tell, numbered from 0.

        Templates joined by genuine pairs are one identity (connected components). A
        person whose templates no genuine pair joins counts as several: where the 1:N
        files are at hand `template_subject` knows better.
        """
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        templates = self.templates
        a, b = locate(templates, self.pairs[self.genuine])[0].T
        edges = coo_array((np.ones(len(a), bool), (a, b)), shape=(len(templates),) * 2)
        return connected_components(edges, directed=False)[1]

    @property
    def rosters(self) -> dict[str, Roster]:
        """Galleries and "probes" in one."""
        return self.galleries | ({} if self.probes is None else {"probes": self.probes})

    @property
    def counts(self) -> dict[str, int]:
        """How much there is of everything, by the names that `read_ijb` reports."""
        genuine = int(np.count_nonzero(self.genuine))
        counts = {
            "images": self.n_images,
            "templates": self.n_templates,
            "pairs": self.n_pairs,
            "genuine pairs": genuine,
            "impostor pairs": self.n_pairs - genuine,
        }
        if self.probes is not None:
            counts |= {
                "images of galleries": int(np.count_nonzero(self.in_gallery)),
                "images of probes": int(np.count_nonzero(self.in_probes)),
            }
        for name, roster in self.rosters.items():
            counts[f"templates of {name}"] = len(roster.template)
        return counts

    def _need_subjects(self) -> Roster:
        if self.probes is None:
            raise ValueError(
                f"The protocol {self.name!r} has no 1:N lists, so which templates are "
                "galleries and who they show is unknown: read it with its 1N files."
            )
        return self.probes
