(** Chapter 10: classes that are right on balls, and how many groups of points make one set.

    Distances are any function [dist]: in Theorem E the Euclidean one, later the maximum norm. *)

From Coq Require Import Reals Lra Lia Bool.
From Robust Require Import Common Pairs.
Open Scope R_scope.

Section Classes.
Context {X : Type} (dist : X -> X -> R).

(** Any two of n points are at least 2 delta apart, and further if rho is 1. *)
Definition admissible (rho delta : R) (n : nat) (x : nat -> X) : Prop :=
  forall i j, (i < n)%nat -> (j < n)%nat -> i <> j ->
    2 * delta <= dist (x i) (x j) /\ (rho = 1 -> 2 * delta < dist (x i) (x j)).

(** For all such data some function of F is right on the closed balls around the points. *)
Definition robust_class (F : (X -> bool) -> Prop) (n : nat) (rho delta : R) : Prop :=
  forall (x : nat -> X) (y : nat -> bool), admissible rho delta n x ->
    exists f, F f /\ forall i x', (i < n)%nat -> dist x' (x i) <= rho * delta -> f x' = y i.

Definition shatters (F : (X -> bool) -> Prop) (N : nat) (z : nat -> X) : Prop :=
  forall v : nat -> bool, exists f, F f /\ forall j, (j < N)%nat -> f (z j) = v j.

(** Group g has k points [z g j], and for each of its labellings two centres in the place [G g].
    Places are far from each other. Then all groups together are shattered. *)
Lemma shatters_groups (F : (X -> bool) -> Prop) (n k : nat) (rho delta : R)
  (z : nat -> nat -> X) (o : nat -> X) (G : nat -> X -> Prop) :
  (0 < k)%nat ->
  (forall x y, dist x y = dist y x) ->
  (forall g g' x x', (g < g')%nat -> G g x -> G g' x' -> 2 * delta < dist x x') ->
  (forall g, G g (o g) /\ dist (o g) (o g) <= rho * delta) ->
  (forall g (v : nat -> bool), exists plus minus, G g plus /\ G g minus /\
    (2 * delta <= dist plus minus /\ (rho = 1 -> 2 * delta < dist plus minus)) /\
    forall j, (j < k)%nat -> dist (z g j) (if v j then plus else minus) <= rho * delta) ->
  robust_class F n rho delta ->
  exists z, shatters F (k * (n / 2) + n mod 2) z.
Proof.
  intros Hk Hsym far Ho Hz HF. set (m := (n / 2)%nat).
  assert (Hn : n = (2 * m + n mod 2)%nat) by apply Nat.div_mod_eq.
  assert (Hmod : (n mod 2 < 2)%nat) by (apply Nat.mod_upper_bound; lia).
  (* the points: z j in group g, and for odd n the point of the last group *)
  exists (fun l => if Nat.ltb l (k * m) then z (l / k)%nat (l mod k)%nat else o m).
  intros v.
  (* for the labels of each group two centres *)
  destruct (finite_choice m (fun g (c : X * X) => G g (fst c) /\ G g (snd c) /\
    (2 * delta <= dist (fst c) (snd c) /\ (rho = 1 -> 2 * delta < dist (fst c) (snd c))) /\
    forall j, (j < k)%nat ->
      dist (z g j) (if v (k * g + j)%nat then fst c else snd c) <= rho * delta) (o O, o O))
    as [c Hc].
  { intros g _. destruct (Hz g (fun j => v (k * g + j)%nat)) as (plus & minus & H).
    now exists (plus, minus). }
  (* data 2 g and 2 g + 1 are the centres of group g *)
  set (x := fun i : nat => if Nat.ltb i (2 * m)
    then (if Nat.even i then fst (c (i / 2)%nat) else snd (c (i / 2)%nat)) else o (i / 2)%nat).
  set (y := fun i : nat => if Nat.ltb i (2 * m) then Nat.even i else v (k * m)%nat).
  assert (place : forall i, G (i / 2)%nat (x i)).
  { intros i. unfold x. destruct (Nat.ltb_spec i (2 * m)) as [Hi|Hi]; [|apply Ho].
    assert (i / 2 < m)%nat by (apply Nat.div_lt_upper_bound; lia).
    destruct (Hc (i / 2)%nat H) as (A & B & _). now destruct (Nat.even i). }
  assert (Hx : admissible rho delta n x).
  { assert (Lt : forall i j, (i < n)%nat -> (j < n)%nat -> (i < j)%nat ->
      2 * delta <= dist (x i) (x j) /\ (rho = 1 -> 2 * delta < dist (x i) (x j))).
    { intros i j Hi Hj Hij.
      assert (Hdiv : (i / 2 <= j / 2)%nat) by (apply Nat.div_le_mono; lia).
      destruct (Nat.eq_dec (i / 2) (j / 2)) as [E|E].
      - (* two centres of one group *)
        assert (Ei := Nat.div_mod_eq i 2). assert (Ej := Nat.div_mod_eq j 2).
        assert (Mi := Nat.mod_upper_bound i 2 ltac:(lia)).
        assert (Mj := Nat.mod_upper_bound j 2 ltac:(lia)).
        assert (Hi2 : i = (2 * (i / 2))%nat) by lia. assert (Hj2 : j = S (2 * (i / 2))) by lia.
        set (g := (i / 2)%nat) in *. assert (Hg : (g < m)%nat) by lia.
        assert (Even : Nat.even (2 * g) = true) by (apply Nat.even_spec; now exists g).
        assert (Ci : x i = fst (c g)).
        { unfold x. rewrite (proj2 (Nat.ltb_lt i (2 * m))) by lia. fold g.
          now rewrite Hi2, Even. }
        assert (Cj : x j = snd (c g)).
        { unfold x. rewrite (proj2 (Nat.ltb_lt j (2 * m))), <- E by lia.
          now rewrite Hj2, Nat.even_succ, <- Nat.negb_even, Even. }
        rewrite Ci, Cj. apply (Hc g Hg).
      - assert (H := far (i / 2)%nat (j / 2)%nat _ _ ltac:(lia) (place i) (place j)).
        split; [lra|easy]. }
    intros i j Hi Hj Hij. destruct (Nat.lt_gt_cases i j) as [[C|C] _]; [easy| |].
    - now apply Lt.
    - rewrite Hsym. now apply Lt. }
  (* a function that is right on the balls is right at the points *)
  destruct (HF x y Hx) as (f & Hf & Hright). exists f. split; [easy|].
  intros l Hl. destruct (Nat.ltb_spec l (k * m)) as [Hlm|Hlm].
  - set (g := (l / k)%nat). set (j := (l mod k)%nat).
    assert (El : l = (k * g + j)%nat) by apply Nat.div_mod_eq.
    assert (Hj : (j < k)%nat) by (apply Nat.mod_upper_bound; lia).
    assert (Hg : (g < m)%nat) by (apply Nat.div_lt_upper_bound; lia).
    destruct (Hc g Hg) as (_ & _ & _ & Hnear). specialize (Hnear j Hj). rewrite <- El in Hnear.
    set (i := (2 * g + if v l then 0 else 1)%nat).
    assert (Hi : (i < 2 * m)%nat) by (unfold i; destruct (v l); lia).
    assert (Ei : (i / 2)%nat = g).
    { unfold i. symmetry. apply Nat.div_unique with (if v l then 0%nat else 1%nat); [|easy].
      destruct (v l); lia. }
    assert (Ev : Nat.even i = v l).
    { unfold i. destruct (v l).
      - rewrite Nat.add_0_r. apply Nat.even_spec. now exists g.
      - replace (2 * g + 1)%nat with (S (2 * g)) by lia.
        rewrite Nat.even_succ, <- Nat.negb_even.
        replace (Nat.even (2 * g)) with true by (symmetry; apply Nat.even_spec; now exists g). easy. }
    assert (Ey : y i = v l) by (unfold y; now rewrite (proj2 (Nat.ltb_lt i (2 * m)) Hi)).
    rewrite <- Ey. apply Hright; [lia|].
    unfold x. now rewrite (proj2 (Nat.ltb_lt i (2 * m)) Hi), Ei, Ev.
  - (* odd n: the last datum is itself a point to be shattered *)
    assert (El : l = (k * m)%nat) by lia. assert (n mod 2 = 1)%nat by lia.
    assert (Ey : y (2 * m)%nat = v l).
    { unfold y. rewrite (proj2 (Nat.ltb_ge (2 * m) (2 * m)) (le_n _)). now rewrite El. }
    rewrite <- Ey. apply Hright; [lia|].
    assert (E2 : (2 * m / 2)%nat = m) by (rewrite Nat.mul_comm; apply Nat.div_mul; lia).
    unfold x. rewrite E2, (proj2 (Nat.ltb_ge (2 * m) (2 * m)) (le_n _)). apply Ho.
Qed.

End Classes.
