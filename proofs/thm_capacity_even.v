(** Chapter 10, Theorem E in its final form, for an even number k of points a pair. *)

From Coq Require Import Reals Lra Lia Bool.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common Pairs Simplex.
Open Scope R_scope.

(** Any two of n points are at least 2 delta apart, and further if rho is 1. *)
Definition admissible {X : inner_space} (rho delta : R) (n : nat) (x : nat -> X) : Prop :=
  forall i j, (i < n)%nat -> (j < n)%nat -> i <> j ->
    2 * delta <= norm (x i - x j) /\ (rho = 1 -> 2 * delta < norm (x i - x j)).

(** For all such data some function of F is right on the closed balls around the points. *)
Definition robust_class {X : inner_space} (F : (X -> bool) -> Prop) (n : nat) (rho delta : R) :=
  forall (x : nat -> X) (y : nat -> bool), admissible rho delta n x ->
    exists f, F f /\
      forall i x', (i < n)%nat -> norm (x' - x i) <= rho * delta -> f x' = y i.

Definition shatters {X : Type} (F : (X -> bool) -> Prop) (N : nat) (z : nat -> X) : Prop :=
  forall v : nat -> bool, exists f, F f /\ forall j, (j < N)%nat -> f (z j) = v j.

Lemma cancel {X : inner_space} (o p q : X) : ((o + p) - (o + q))%vec = (p - q)%vec.
Proof.
  rewrite vscal_vadd, (vadd_comm _ (-1 * o)%vec), <- !vadd_assoc, (vadd_comm _ o), <- !vadd_assoc.
  now rewrite (vadd_comm _ (-1 * o)%vec o), vadd_opp, vadd_zero.
Qed.

Theorem thm_capacity_even :
  forall (h d n : nat) (rho delta : R),
  let k := (2 * h)%nat in
  forall (F : (euclidean d -> bool) -> Prop),
  (4 <= k)%nat ->  (* ours: the final form, for even k; the box has k - 1 for k *)
  (k - 1 <= d)%nat ->  (* ours: room for the simplex *)
  0 < delta ->  (* ours: as in the definition of the data *)
  sqrt (1 - 1 / (INR k - 1)) <= rho <= 1 ->  (* book: \rho\in(0,1] *)
  robust_class F n rho delta ->  (* book: $n$-robust interpolation class *)
  exists z, shatters F (k * (n / 2) + n mod 2) z.  (* book: +[n\text{ odd}] *)
Proof.
  intros h d n rho delta k F Hk Hd Hdelta [Hr Hr1] HF.
  assert (Hs : @simplex (euclidean d) k (vertex (k - 1))).
  { replace k with (S (k - 1)) at 1 by lia. apply vertex_simplex; lia. }
  assert (K := large k Hk).
  destruct (simplex_scaled k _ rho delta Hk Hs Hdelta Hr Hr1) as (z & Hz).
  set (m := (n / 2)%nat).
  assert (Hn : n = (2 * m + n mod 2)%nat) by apply Nat.div_mod_eq.
  assert (Hmod : (n mod 2 < 2)%nat) by (apply Nat.mod_upper_bound; lia).
  assert (Hrho : 0 <= rho) by (eapply Rle_trans; [apply sqrt_pos|exact Hr]).
  (* groups are 40 delta apart, along a unit vector *)
  set (z0 := vertex (k - 1) O : euclidean d). set (e := (sqrt (INR k - 1) * z0)%vec).
  assert (He : << e, e >> = 1).
  { unfold e. rewrite dot_vscal, dot_vscal_r. unfold z0. rewrite (Hs O O) by lia. simpl Nat.eqb.
    assert (S := sqrt_sqrt (INR k - 1) ltac:(lra)).
    set (r := sqrt (INR k - 1)) in *. rewrite <- S. cbn iota.
    replace (INR k - 1) with (r * r). field. intros E. rewrite E in S. lra. }
  set (o := fun g : nat => (40 * delta * INR g * e)%vec).
  assert (groups : forall g g' (c c' : euclidean d), norm c <= 4 * delta -> norm c' <= 4 * delta ->
    (g < g')%nat -> 2 * delta < norm ((o g + c) - (o g' + c'))%vec).
  { intros g g' c c' Hc Hc' Hg.
    assert (A : INR g + 1 <= INR g') by (rewrite <- S_INR; apply le_INR; lia).
    assert (B : << (o g' + c') - (o g + c), e >> <= norm ((o g' + c') - (o g + c))%vec).
    { assert (N1 : norm e = 1) by (unfold norm; rewrite He; apply sqrt_1).
      assert (D := dot_le ((o g' + c') - (o g + c))%vec e). rewrite N1 in D. lra. }
    rewrite norm_minus_sym. eapply Rlt_le_trans; [|exact B].
    assert (N1 : norm e = 1) by (unfold norm; rewrite He; apply sqrt_1).
    assert (D := cauchy_schwarz c e). assert (D' := cauchy_schwarz c' e). rewrite N1 in *.
    apply Rabs_le_between in D, D'. unfold o. expand. rewrite He. nra. }
  (* the points: z j in group g, and for odd n the point of the last group *)
  exists (fun l => if Nat.ltb l (k * m) then (o (l / k)%nat + z (l mod k)%nat)%vec else o m).
  intros v.
  (* for the labels of each group two centres *)
  destruct (finite_choice m (fun g (c : euclidean d * euclidean d) =>
    (2 * delta <= norm (fst c - snd c) /\ (rho = 1 -> 2 * delta < norm (fst c - snd c))) /\
    norm (fst c) <= 4 * delta /\ norm (snd c) <= 4 * delta /\
    forall j, (j < k)%nat ->
      norm (z j - if v (k * g + j)%nat then fst c else snd c) <= rho * delta) (vzero, vzero))
    as [c Hc].
  { intros g _. destruct (Hz (fun j => v (k * g + j)%nat)) as (plus & minus & H).
    now exists (plus, minus). }
  (* data 2 g and 2 g + 1 are the centres of group g *)
  set (centre := fun i : nat => if Nat.ltb i (2 * m)
    then (if Nat.even i then fst (c (i / 2)%nat) else snd (c (i / 2)%nat)) else vzero).
  set (x := fun i : nat => (o (i / 2)%nat + centre i)%vec).
  set (y := fun i : nat => if Nat.ltb i (2 * m) then Nat.even i else v (k * m)%nat).
  assert (bound : forall i, norm (centre i) <= 4 * delta).
  { intros i. unfold centre. destruct (Nat.ltb_spec i (2 * m)) as [Hi|Hi].
    - assert (i / 2 < m)%nat by (apply Nat.div_lt_upper_bound; lia).
      destruct (Hc (i / 2)%nat H) as (_ & A & B & _). now destruct (Nat.even i).
    - rewrite norm_zero. lra. }
  assert (Hx : admissible rho delta n x).
  { assert (Lt : forall i j, (i < n)%nat -> (j < n)%nat -> (i < j)%nat ->
      2 * delta <= norm (x i - x j) /\ (rho = 1 -> 2 * delta < norm (x i - x j))).
    { intros i j Hi Hj Hij. unfold x.
      assert (Hdiv : (i / 2 <= j / 2)%nat) by (apply Nat.div_le_mono; lia).
      destruct (Nat.eq_dec (i / 2) (j / 2)) as [E|E].
      - (* two centres of one group *)
        assert (Ei := Nat.div_mod_eq i 2). assert (Ej := Nat.div_mod_eq j 2).
        assert (Mi := Nat.mod_upper_bound i 2 ltac:(lia)).
        assert (Mj := Nat.mod_upper_bound j 2 ltac:(lia)).
        assert (Hi2 : i = (2 * (i / 2))%nat) by lia. assert (Hj2 : j = S (2 * (i / 2))) by lia.
        set (g := (i / 2)%nat) in *. assert (Hg : (g < m)%nat) by lia.
        assert (Even : Nat.even (2 * g) = true) by (apply Nat.even_spec; now exists g).
        assert (Ci : centre i = fst (c g)).
        { unfold centre. rewrite (proj2 (Nat.ltb_lt i (2 * m))) by lia. fold g.
          now rewrite Hi2, Even. }
        assert (Cj : centre j = snd (c g)).
        { unfold centre. rewrite (proj2 (Nat.ltb_lt j (2 * m))), <- E by lia.
          now rewrite Hj2, Nat.even_succ, <- Nat.negb_even, Even. }
        rewrite <- E, Ci, Cj, cancel. apply (Hc g Hg).
      - assert (G := groups (i / 2)%nat (j / 2)%nat (centre i) (centre j) (bound i) (bound j)
          ltac:(lia)). split; [lra|easy]. }
    intros i j Hi Hj Hij. destruct (Nat.lt_gt_cases i j) as [[C|C] _]; [easy| |].
    - now apply Lt.
    - rewrite norm_minus_sym. now apply Lt. }
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
    unfold x. rewrite Ei. unfold centre. rewrite (proj2 (Nat.ltb_lt i (2 * m)) Hi), Ei, Ev.
    rewrite cancel. exact Hnear.
  - (* odd n: the last centre is itself a point to be shattered *)
    assert (El : l = (k * m)%nat) by lia. assert (n mod 2 = 1)%nat by lia.
    assert (Ey : y (2 * m)%nat = v l).
    { unfold y. rewrite (proj2 (Nat.ltb_ge (2 * m) (2 * m)) (le_n _)). now rewrite El. }
    rewrite <- Ey. apply Hright; [lia|].
    assert (E2 : (2 * m / 2)%nat = m) by (rewrite Nat.mul_comm; apply Nat.div_mul; lia).
    unfold x, centre. rewrite E2, (proj2 (Nat.ltb_ge (2 * m) (2 * m)) (le_n _)), vadd_zero, vadd_opp.
    rewrite norm_zero. apply Rmult_le_pos; lra.
Qed.
