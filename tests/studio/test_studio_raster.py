import numpy as np
import pytest

from maskfold.studio.camera import Camera, Rig
from maskfold.studio.mesh import Mesh, pebble, revolved, tube
from maskfold.studio.parts import Part
from maskfold.studio.raster import rasterise

LEVEL = Rig(distance=10.0, height=0.0, focal=1.0, tilt=0.0, shift=(0.0, 0.0))


def square(x: float, half: float) -> Mesh:
    vertices = np.array([[x, -half, -half], [x, half, -half], [x, half, half], [x, -half, half]])
    return Mesh(vertices, np.tile([1.0, 0.0, 0.0], (4, 1)), np.array([[0, 1, 2], [0, 2, 3]]))


def test_a_point_falls_where_the_pinhole_puts_it():
    camera = Camera(LEVEL, 1, 300, 300)
    pixels, depth = camera.project(np.array([[0.0, 2.0, 1.0], [0.0, 0.0, 0.0]]))
    # Focal length 300 pixels at 10 m is 30 pixels a metre; the car's left is on the right when its nose faces us.
    assert depth == pytest.approx([10, 10])
    assert pixels == pytest.approx(np.array([[149.5 + 60, 149.5 - 30], [149.5, 149.5]]))


def test_view_five_sees_the_left_side_with_the_nose_to_the_left():
    pixels, _ = Camera(LEVEL, 5, 300, 300).project(np.array([[2.0, 0.0, 0.0]]))
    assert pixels[0] == pytest.approx([149.5 - 60, 149.5])


def test_the_nearer_part_hides_the_farther_and_points_are_exact():
    camera = Camera(LEVEL, 1, 300, 300)
    parts = [Part(kind="near", mesh=square(2.0, 0.5)), Part(kind="far", mesh=square(-2.0, 1.5))]
    for order in (parts, parts[::-1]):
        surface = rasterise(order, camera)
        near = order.index(parts[0])
        assert surface.part[150, 150] == near
        assert surface.points[150, 150] == pytest.approx([2.0, 0.5 * 8 / 300, -0.5 * 8 / 300], abs=1e-4)
        # 300/8 pixels a metre in front, 300/12 behind; an edge may claim half a pixel more.
        assert (surface.part == near).sum() == pytest.approx((300 / 8) ** 2, rel=0.06)
        assert (surface.part >= 0).sum() == pytest.approx((3 * 300 / 12) ** 2, rel=0.04)


def test_a_cut_opens_the_view_and_gaps_are_remembered():
    camera = Camera(LEVEL, 1, 300, 300)
    part = Part(kind="rim", mesh=square(0.0, 1.0), cut=lambda points: points[:, 1] > 0, cut_is_gap=True)
    surface = rasterise([part], camera)
    assert not (surface.part[:, 151:] >= 0).any()
    assert (surface.gaps.sum()) == pytest.approx(30 * 60, rel=0.06)
    assert not (surface.gaps & (surface.part >= 0)).any()


@pytest.mark.parametrize(
    "mesh",
    [
        pebble((0, 0, 0), (1, 2, 3)),
        tube(np.array([[0, 0, 0], [0, 0, 0.5], [0, 0, 1.0]]), 0.1),
        revolved(((0.0, 0.5), (1.0, 0.5), (1.0, -0.5)), 1),
        revolved(((0.0, 0.5), (1.0, 0.5), (1.0, -0.5)), -1),
    ],
)
def test_surfaces_face_outwards(mesh):
    corners = mesh.vertices[mesh.triangles]
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outwards = corners.mean(axis=1) - mesh.vertices.mean(axis=0)
    big = np.linalg.norm(faces, axis=1) > 1e-9
    assert (np.einsum("tk,tk->t", faces, outwards)[big] > -1e-9).all()
    towards = np.einsum("vk,vk->v", mesh.normals, mesh.vertices - mesh.vertices.mean(axis=0))
    assert (towards > -1e-6).mean() > 0.95
