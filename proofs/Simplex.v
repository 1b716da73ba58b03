(** The regular simplex: that there is one, and that a pair of balls shatters it. *)

From Coq Require Import Reals Lra Lia List Bool.
From Robust Require Import Common Pairs.
Open Scope R_scope.

Lemma norm_ge {X : inner_space} (x : X) r : 0 <= r -> r ^ 2 <= << x, x >> -> r <= norm x.
Proof.
  intros Hr H. unfold norm. rewrite <- (sqrt_pow2 r) by easy. now apply sqrt_le_1_alt.
Qed.

(** * Coordinates in R^d, d >= k - 1 *)

Lemma total_cut n d (u : nat -> R) :
  (n <= d)%nat -> (forall i, (n <= i)%nat -> u i = 0) -> total d u = total n u.
Proof.
  intros Hn H. induction d as [|d IH].
  - replace n with O by lia. easy.
  - destruct (Nat.eq_dec n (S d)) as [->|]; [easy|]. simpl. rewrite IH, H by lia. ring.
Qed.

Lemma total_pick_none k (u : nat -> R) i :
  (k <= i)%nat -> total k (fun j => (if Nat.eqb j i then 1 else 0) * u j) = 0.
Proof.
  intros Hi. rewrite (total_ext k _ (fun _ => 0)), total_const; [ring|].
  intros j Hj. replace (Nat.eqb j i) with false; [ring|]. symmetry. apply Nat.eqb_neq. lia.
Qed.

(** Vertex j < N is a e_j - b (1, ..., 1), and vertex N is - (1, ..., 1) / N, where N = k - 1. *)
Definition vertex (N : nat) (j i : nat) : R :=
  if Nat.ltb i N then
    sqrt (INR N + 1) / INR N * (if Nat.eqb i j then 1 else 0)
    + (if Nat.eqb j N then - / INR N else - ((sqrt (INR N + 1) - 1) / INR N ^ 2))
  else 0.

Lemma vertex_simplex N d : (0 < N)%nat -> (N <= d)%nat ->
  @simplex (euclidean d) (S N) (vertex N).
Proof.
  intros HN Hd a b Ha Hb.
  assert (P : 0 < INR N) by now apply lt_0_INR.
  assert (Q : sqrt (INR N + 1) ^ 2 = INR N + 1) by (apply pow2_sqrt; lra).
  rewrite S_INR. set (q := sqrt (INR N + 1)) in *.
  set (t := fun j => if Nat.eqb j N then - / INR N else - ((q - 1) / INR N ^ 2)).
  change (total d (fun i => vertex N a i * vertex N b i) =
    ((if Nat.eqb a b then INR N + 1 else 0) - 1) / (INR N + 1 - 1) ^ 2).
  rewrite (total_cut N d); [|easy|].
  2: { intros i Hi. unfold vertex. rewrite (proj2 (Nat.ltb_ge i N) Hi). ring. }
  rewrite (total_ext N _ (fun i =>
    (q / INR N) ^ 2 * ((if Nat.eqb i a then 1 else 0) * (if Nat.eqb i b then 1 else 0))
    + (q / INR N * t b * ((if Nat.eqb i a then 1 else 0) * 1)
    + (q / INR N * t a * ((if Nat.eqb i b then 1 else 0) * 1) + t a * t b)))).
  2: { intros i Hi. unfold vertex. replace (Nat.ltb i N) with true
         by (symmetry; now apply Nat.ltb_lt). fold q. fold (t a). fold (t b). ring. }
  rewrite !total_plus, !total_scal, total_const.
  destruct (Nat.eq_dec a N) as [Ea|Ea]; destruct (Nat.eq_dec b N) as [Eb|Eb].
  - rewrite !total_pick_none by lia. unfold t. rewrite Ea, Eb, !Nat.eqb_refl. field. lra.
  - rewrite (total_pick_none N _ a), (total_pick_none N (fun _ => 1) a), (total_pick N _ b) by lia.
    unfold t. rewrite Ea, Nat.eqb_refl.
    replace (Nat.eqb b N) with false by (symmetry; now apply Nat.eqb_neq).
    replace (Nat.eqb N b) with false by (symmetry; apply Nat.eqb_neq; lia). field. lra.
  - rewrite (total_pick N _ a), (total_pick N _ a), (total_pick_none N _ b) by lia.
    unfold t. rewrite Eb, Nat.eqb_refl.
    replace (Nat.eqb a N) with false by (symmetry; now apply Nat.eqb_neq). field. lra.
  - rewrite !total_pick by lia. unfold t.
    replace (Nat.eqb a N) with false by (symmetry; now apply Nat.eqb_neq).
    replace (Nat.eqb b N) with false by (symmetry; now apply Nat.eqb_neq).
    set (e := if Nat.eqb a b then 1 else 0).
    transitivity (q ^ 2 * e / INR N ^ 2 - (q ^ 2 - 1) / INR N ^ 3); [field; lra|].
    rewrite Q. unfold e. destruct (Nat.eqb a b); field; lra.
Qed.

(** * The labellings *)

Section Labelling.
Context {X : inner_space} (k : nat) (z : nat -> X) (v : nat -> bool).
Hypothesis k_large : (4 <= k)%nat.
Hypothesis is_simplex : simplex k z.

Let N := INR k - 1.
Let p := total k (fun j => if v j then 1 else 0).
Let q := total k (fun j => if v j then 0 else 1).

Lemma large : 4 <= INR k.
Proof. assert (H := le_INR 4 k k_large). simpl in H. lra. Qed.

Lemma p_q : p + q = INR k.
Proof.
  unfold p, q. rewrite <- total_plus, <- (Rmult_1_r (INR k)), <- total_const.
  apply total_ext. intros j _. destruct (v j); ring.
Qed.

Lemma count_pos (c : nat -> R) j :
  (j < k)%nat -> (forall i, 0 <= c i) -> c j = 1 -> 0 < total k c.
Proof.
  intros Hj H0 H1. apply Rlt_le_trans with 1; [lra|].
  rewrite <- H1, <- (total_pick k c j Hj). apply total_le. intros i _.
  specialize (H0 i). destruct (Nat.eqb i j); lra.
Qed.

(** The point with weight l on the centroid of the plus points, and mu on that of the others. *)
Let coef (l mu : R) : nat -> R := fun j => if v j then l / p else mu / q.
Let point (l mu : R) : X := combination k (coef l mu) z.

Hypothesis Hp : 0 < p.
Hypothesis Hq : 0 < q.

Lemma coef_total l mu : total k (coef l mu) = l + mu.
Proof.
  rewrite (total_ext k _ (fun j => l / p * (if v j then 1 else 0) + mu / q * (if v j then 0 else 1))).
  - rewrite total_plus, !total_scal. fold p q. field. lra.
  - intros j _. unfold coef. destruct (v j); ring.
Qed.

Lemma coef_product l mu l' mu' :
  total k (fun j => coef l mu j * coef l' mu' j) = l * l' / p + mu * mu' / q.
Proof.
  rewrite (total_ext k _ (fun j => l / p * (l' / p) * (if v j then 1 else 0)
    + mu / q * (mu' / q) * (if v j then 0 else 1))).
  - rewrite total_plus, !total_scal. fold p q. field. lra.
  - intros j _. unfold coef. destruct (v j); ring.
Qed.

Lemma product_at_most : p * q <= INR k ^ 2 / 4.
Proof. rewrite <- p_q. assert (Z := pow2_ge_0 (p - q)). lra. Qed.

Lemma spread : let A := INR k ^ 2 - 4 * INR k + 2 in
  2 * N <= INR k / sqrt (p * q) + (sqrt (A + INR k / p) + sqrt (A + INR k / q)).
Proof.
  intros A. assert (K := large). assert (HA : 0 < A) by (unfold A; nra).
  assert (Hpq : 0 < p * q) by nra. assert (Hm := sqrt_lt_R0 _ Hpq).
  assert (M := product_at_most).
  (* k / sqrt (p q) >= 2 *)
  assert (H1 : 2 <= INR k / sqrt (p * q)).
  { apply Rmult_le_reg_r with (sqrt (p * q)); [easy|].
    unfold Rdiv at 1. rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra.
    assert (sqrt (p * q) <= INR k / 2); [|lra].
    rewrite <- (sqrt_pow2 (INR k / 2)) by lra. apply sqrt_le_1_alt. lra. }
  (* the two roots add up to at least 2 (k - 2) *)
  assert (Pp : 0 < INR k / p) by (apply Rdiv_lt_0_compat; lra).
  assert (Pq : 0 < INR k / q) by (apply Rdiv_lt_0_compat; lra).
  set (a := sqrt (A + INR k / p)). set (b := sqrt (A + INR k / q)).
  assert (Ea : a ^ 2 = A + INR k / p) by (apply pow2_sqrt; lra).
  assert (Eb : b ^ 2 = A + INR k / q) by (apply pow2_sqrt; lra).
  assert (Ha : 0 <= a) by apply sqrt_pos. assert (Hb : 0 <= b) by apply sqrt_pos.
  assert (Sum : INR k / p + INR k / q = INR k / p * (INR k / q)).
  { rewrite <- p_q. field. lra. }
  assert (Prod : 4 <= INR k / p * (INR k / q)).
  { apply Rmult_le_reg_r with (p * q); [easy|].
    replace (INR k / p * (INR k / q) * (p * q)) with (INR k ^ 2) by (field; lra). lra. }
  assert (Hab : A + 2 <= a * b).
  { apply Rsqr_incr_0_var; [|nra]. unfold Rsqr.
    replace (a * b * (a * b)) with (a ^ 2 * b ^ 2) by ring. rewrite Ea, Eb. nra. }
  assert (H2 : 2 * (INR k - 2) <= a + b).
  { apply Rsqr_incr_0_var; [|lra]. unfold Rsqr. unfold A in *. nra. }
  unfold N. lra.
Qed.

(** A labelling with both labels: centres on the line through the two centroids. *)
Lemma both_labels : exists plus minus : X,
  2 <= norm (plus - minus) /\
  forall j, (j < k)%nat ->
    << z j - if v j then plus else minus, z j - if v j then plus else minus >> = 1 - 1 / N.
Proof.
  assert (K := large). assert (HN : 0 < N) by (unfold N; lra).
  assert (Hpq : 0 < p * q) by nra. assert (Hm := sqrt_lt_R0 _ Hpq).
  set (A := INR k ^ 2 - 4 * INR k + 2). assert (HA : 0 < A) by (unfold A; nra).
  assert (Pp : 0 < INR k / p) by (apply Rdiv_lt_0_compat; lra).
  assert (Pq : 0 < INR k / q) by (apply Rdiv_lt_0_compat; lra).
  assert (Sp := spread). fold A in Sp. simpl in Sp.
  set (a := sqrt (A + INR k / p)) in *. set (b := sqrt (A + INR k / q)) in *.
  assert (Ea : a ^ 2 = A + INR k / p) by (apply pow2_sqrt; lra).
  assert (Eb : b ^ 2 = A + INR k / q) by (apply pow2_sqrt; lra).
  assert (Ha : 0 <= a) by apply sqrt_pos. assert (Hb : 0 <= b) by apply sqrt_pos.
  set (m := sqrt (p * q)) in *. assert (Em : m ^ 2 = p * q) by (apply pow2_sqrt; lra).
  set (s := a * m / INR k). set (t := b * m / INR k).
  assert (Es : s ^ 2 = (A + INR k / p) * (p * q) / INR k ^ 2).
  { unfold s. rewrite <- Ea, <- Em. field. lra. }
  assert (Et : t ^ 2 = (A + INR k / q) * (p * q) / INR k ^ 2).
  { unfold t. rewrite <- Eb, <- Em. field. lra. }
  assert (Eq : q = INR k - p) by (rewrite <- p_q; ring).
  assert (EA : A = INR k ^ 2 - 4 * INR k + 2) by reflexivity.
  exists (point (1 + s) (- s)), (point (- t) (1 + t)). split.
  - apply norm_ge; [lra|]. expand. unfold point. rewrite !simplex_dot_dot by easy.
    rewrite !coef_product, !coef_total. fold N.
    replace (_ + _) with (((INR k / m + (a + b)) / N) ^ 2).
    + apply pow_incr. split; [lra|]. apply Rmult_le_reg_r with N; [easy|].
      replace ((INR k / m + (a + b)) / N * N) with (INR k / m + (a + b)) by (field; lra). exact Sp.
    + (* both sides are (1 + s + t)^2 k (1/p + 1/q) / N^2 *)
      replace (INR k / m + (a + b)) with ((1 + s + t) * (INR k / m)) by (unfold s, t; field; lra).
      replace (((1 + s + t) * (INR k / m) / N) ^ 2)
        with ((1 + s + t) ^ 2 * INR k ^ 2 / (m ^ 2 * N ^ 2)) by (field; lra).
      rewrite Em. replace (INR k ^ 2) with (INR k * (p + q)) by (rewrite p_q; ring).
      field. lra.
  - intros j Hj. destruct (v j) eqn:Vj.
    + expand. rewrite (dot_sym _ (z j) (point (1 + s) (- s))). unfold point.
      rewrite simplex_dot_dot, simplex_dot, (is_simplex j j) by easy.
      rewrite coef_product, coef_total. fold N. unfold coef. rewrite Vj, Nat.eqb_refl.
      replace (_ + _) with ((INR k - INR k / p + s ^ 2 * (INR k ^ 2 / (p * q))) / N ^ 2).
      * rewrite Es, EA. unfold N. field. unfold N in HN. repeat split; lra.
      * replace (INR k ^ 2) with (INR k * (p + q)) by (rewrite p_q; ring). field. lra.
    + expand. rewrite (dot_sym _ (z j) (point (- t) (1 + t))). unfold point.
      rewrite simplex_dot_dot, simplex_dot, (is_simplex j j) by easy.
      rewrite coef_product, coef_total. fold N. unfold coef. rewrite Vj, Nat.eqb_refl.
      replace (_ + _) with ((INR k - INR k / q + t ^ 2 * (INR k ^ 2 / (p * q))) / N ^ 2).
      * rewrite Et, EA. unfold N. field. unfold N in HN. repeat split; lra.
      * replace (INR k ^ 2) with (INR k * (p + q)) by (rewrite p_q; ring). field. lra.
Qed.

End Labelling.

(** Every labelling: separation 2, distances at most sqrt (1 - 1 / (k - 1)), centres not far off. *)
Lemma simplex_centres {X : inner_space} k (z : nat -> X) (v : nat -> bool) :
  (4 <= k)%nat -> simplex k z -> exists plus minus : X,
  2 <= norm (plus - minus) /\ norm plus <= 2 /\ norm minus <= 2 /\
  forall j, (j < k)%nat ->
    << z j - if v j then plus else minus, z j - if v j then plus else minus >>
      <= 1 - 1 / (INR k - 1).
Proof.
  intros Hk Hz. assert (K := large k Hk).
  assert (Hsq : forall j, (j < k)%nat -> << z j, z j >> = 1 / (INR k - 1)).
  { intros j Hj. rewrite Hz, Nat.eqb_refl by easy. field. lra. }
  assert (HN : 1 / (INR k - 1) <= 1 / 3).
  { apply Rmult_le_compat_l; [lra|]. apply Rinv_le_contravar; lra. }
  assert (HN0 : 0 < 1 / (INR k - 1)) by (apply Rdiv_lt_0_compat; lra).
  (* a vector of norm 2 *)
  set (far := (2 * sqrt (INR k - 1) * z O)%vec).
  assert (Hfar : << far, far >> = 2 ^ 2).
  { unfold far. rewrite dot_vscal, dot_vscal_r, Hsq by lia.
    assert (S := sqrt_sqrt (INR k - 1) ltac:(lra)).
    set (r := sqrt (INR k - 1)) in *. rewrite <- S. field. intros E. rewrite E in S. lra. }
  assert (Nfar : norm far = 2) by (unfold norm; rewrite Hfar; apply sqrt_pow2; lra).
  (* one label only: its centre is at 0, the other one far away *)
  assert (zero_ok : forall x : X, norm (vzero - x) = norm x).
  { intros x. unfold norm. f_equal. expand.
    rewrite !(dot_sym _ x vzero), !dot_zero. ring. }
  assert (near_zero : forall j, (j < k)%nat ->
    << z j - vzero, z j - vzero >> <= 1 - 1 / (INR k - 1)).
  { intros j Hj. expand. rewrite !(dot_sym _ (z j) vzero), !dot_zero, Hsq by easy. lra. }
  assert (P : forall (b : bool), (exists j, (j < k)%nat /\ v j = b) \/
    (forall j, (j < k)%nat -> v j = negb b)).
  { intros b. clear -b. induction k as [|n IH]; [right; lia|].
    destruct IH as [(j & Hj & E)|H]; [left; exists j; split; [lia|easy]|].
    destruct (Bool.bool_dec (v n) b) as [E|E]; [left; exists n; split; [lia|easy]|].
    right. intros j Hj. destruct (Nat.eq_dec j n) as [->|]; [|apply H; lia].
    destruct (v n), b; easy. }
  destruct (P true) as [(jp & Hjp & Vp)|All]; [destruct (P false) as [(jq & Hjq & Vq)|All]|].
  - assert (Hp : 0 < total k (fun j => if v j then 1 else 0)).
    { apply (count_pos k _ jp); [easy| |now rewrite Vp]. intros i. destruct (v i); lra. }
    assert (Hq : 0 < total k (fun j => if v j then 0 else 1)).
    { apply (count_pos k _ jq); [easy| |now rewrite Vq]. intros i. destruct (v i); lra. }
    destruct (both_labels k z v Hk Hz Hp Hq) as (plus & minus & Hsep & Hnear).
    exists plus, minus. split; [easy|].
    assert (bound : forall c j, (j < k)%nat ->
      << z j - c, z j - c >> = 1 - 1 / (INR k - 1) -> norm c <= 2).
    { intros c j Hj E.
      assert (E1 : norm (z j) <= 1) by (apply norm_le; [lra|]; rewrite Hsq by easy; lra).
      assert (E2 : norm (z j - c) <= 1) by (apply norm_le; [lra|]; rewrite E; lra).
      assert (Ec : c = (z j - (z j - c))%vec).
      { rewrite vscal_vadd, vadd_assoc, vadd_opp, vscal_vscal.
        replace (-1 * -1) with 1 by ring. now rewrite vscal_one, vadd_comm, vadd_zero. }
      rewrite Ec. eapply Rle_trans; [apply norm_triangle|].
      rewrite norm_vscal, Rabs_left by lra. lra. }
    split; [|split].
    + apply (bound plus jp Hjp). specialize (Hnear jp Hjp). now rewrite Vp in Hnear.
    + apply (bound minus jq Hjq). specialize (Hnear jq Hjq). now rewrite Vq in Hnear.
    + intros j Hj. now apply Req_le, Hnear.
  - exists vzero, far. rewrite zero_ok, Nfar, norm_zero. repeat split; try lra.
    intros j Hj. rewrite (All j Hj). simpl. now apply near_zero.
  - exists far, vzero. rewrite norm_minus_sym, zero_ok, Nfar, norm_zero. repeat split; try lra.
    intros j Hj. rewrite (All j Hj). simpl. now apply near_zero.
Qed.

(** * Two and three points *)

(** Inner products of combinations of vectors whose inner products are known. *)
Ltac measure := expand; repeat match goal with
  | H : dot ?x ?y = _ |- context [dot ?x ?y] => rewrite H end; lra.

Lemma three_centres {X : inner_space} (a b c : X) :
  << a, a >> = 4 / 9 -> << b, b >> = 4 / 9 -> << c, c >> = 4 / 9 -> << a, b >> = - 2 / 9 ->
  << a, c >> = - 2 / 9 -> exists plus minus : X,
  2 <= norm (plus - minus) /\ norm plus <= 2 /\ norm minus <= 2 /\
  norm (a - plus) <= 2 / 3 /\ norm (b - minus) <= 2 / 3 /\ norm (c - minus) <= 2 / 3.
Proof.
  intros Ha Hb Hc Hab Hac.
  assert (Hba : << b, a >> = - 2 / 9) by now rewrite dot_sym.
  assert (Hca : << c, a >> = - 2 / 9) by now rewrite dot_sym.
  exists (2 * a)%vec, (-1 * a)%vec.
  split; [apply norm_ge; [lra|measure]|].
  repeat split; (apply norm_le; [lra|measure]).
Qed.

Lemma equal_labels {X : inner_space} k (z : nat -> X) (r : R) :
  (0 < k)%nat -> 0 < r -> (forall j, (j < k)%nat -> << z j, z j >> = r ^ 2) -> exists near far : X,
  2 <= norm (near - far) /\ norm near <= 2 /\ norm far <= 2 /\
  forall j, (j < k)%nat -> norm (z j - near) <= r.
Proof.
  intros Hk Hr H. assert (H0 := H O Hk).
  assert (P : 0 <= r ^ 2) by apply pow2_ge_0.
  assert (F : << 0 * z O - 2 / r * z O, 0 * z O - 2 / r * z O >> = 2 ^ 2).
  { expand. rewrite H0. field. lra. }
  exists (0 * z O)%vec, (2 / r * z O)%vec.
  split; [apply norm_ge; [lra|]; now rewrite F; lra|]. split; [|split].
  - apply norm_le; [lra|]. expand. rewrite H0. nra.
  - apply norm_le; [lra|]. expand. rewrite H0. apply Req_le. field. lra.
  - intros j Hj. apply norm_le; [lra|]. expand. rewrite (H j Hj). nra.
Qed.

(** All k: separation 2, distances at most the threshold. *)
Lemma figure {X : inner_space} k (z : nat -> X) : (2 <= k)%nat -> simplex k z ->
  exists z' : nat -> X, forall v : nat -> bool, exists plus minus : X,
  2 <= norm (plus - minus) /\ norm plus <= 2 /\ norm minus <= 2 /\
  forall j, (j < k)%nat -> norm (z' j - if v j then plus else minus) <= threshold k.
Proof.
  intros Hk Hz.
  assert (swap : forall a b : X, norm (a - b) = norm (b - a)) by apply norm_minus_sym.
  assert (constant : forall (z' : nat -> X) r (v : nat -> bool) b, 0 < r ->
    (forall j, (j < k)%nat -> << z' j, z' j >> = r ^ 2) -> (forall j, (j < k)%nat -> v j = b) ->
    exists plus minus : X, 2 <= norm (plus - minus) /\ norm plus <= 2 /\ norm minus <= 2 /\
    forall j, (j < k)%nat -> norm (z' j - if v j then plus else minus) <= r).
  { intros z' r v b Hr H Hv. destruct (equal_labels k z' r ltac:(lia) Hr H) as (x & y & A & B & C & D).
    destruct b; [exists x, y|exists y, x]; (split; [try easy; now rewrite swap|]);
      (split; [easy|split; [easy|]]); intros j Hj; rewrite (Hv j Hj); now apply D. }
  destruct k as [|[|[|[|k]]]]; try lia.
  - (* two *)
    assert (G : forall i j, (i < 2)%nat -> (j < 2)%nat ->
      << / 2 * z i, / 2 * z j >> = if Nat.eqb i j then (1 / 2) ^ 2 else - (1 / 2) ^ 2).
    { intros i j Hi Hj. rewrite dot_vscal, dot_vscal_r, Hz by easy. simpl.
      destruct (Nat.eqb i j); field. }
    exists (fun j => / 2 * z j)%vec. intros v.
    assert (G00 := G 0%nat 0%nat ltac:(lia) ltac:(lia)). assert (G01 := G 0%nat 1%nat ltac:(lia) ltac:(lia)).
    assert (G10 := G 1%nat 0%nat ltac:(lia) ltac:(lia)). assert (G11 := G 1%nat 1%nat ltac:(lia) ltac:(lia)).
    cbn [Nat.eqb] in *.
    destruct (bool_dec (v 0%nat) (v 1%nat)) as [E|E].
    + apply (constant _ (1 / 2) v (v 0%nat)); [lra| |].
      * intros j Hj. rewrite G, Nat.eqb_refl by easy. easy.
      * intros [|[|j]] Hj; try lia; easy.
    + set (a := (/ 2 * z 0%nat)%vec) in *. set (b := (/ 2 * z 1%nat)%vec) in *.
      assert (S : 2 <= norm (2 * a - 2 * b)%vec) by (apply norm_ge; [lra|measure]).
      assert (A : norm (2 * a)%vec <= 2) by (apply norm_le; [lra|measure]).
      assert (B : norm (2 * b)%vec <= 2) by (apply norm_le; [lra|measure]).
      assert (A' : norm (a - 2 * a)%vec <= 1 / 2) by (apply norm_le; [lra|measure]).
      assert (B' : norm (b - 2 * b)%vec <= 1 / 2) by (apply norm_le; [lra|measure]).
      destruct (v 0%nat) eqn:E0; destruct (v 1%nat) eqn:E1; try easy.
      * exists (2 * a)%vec, (2 * b)%vec. repeat split; try easy.
        intros [|[|j]] Hj; try lia; [rewrite E0|rewrite E1]; easy.
      * exists (2 * b)%vec, (2 * a)%vec. rewrite swap. repeat split; try easy.
        intros [|[|j]] Hj; try lia; [rewrite E0|rewrite E1]; easy.
  - (* three *)
    set (s := sqrt (8 / 9)). assert (Es : s * s = 8 / 9) by (apply sqrt_sqrt; lra).
    assert (G : forall i j, (i < 3)%nat -> (j < 3)%nat ->
      << s * z i, s * z j >> = if Nat.eqb i j then 4 / 9 else - 2 / 9).
    { intros i j Hi Hj. rewrite dot_vscal, dot_vscal_r, <- Rmult_assoc, Es, Hz by easy. simpl.
      destruct (Nat.eqb i j); field. }
    exists (fun j => s * z j)%vec. intros v.
    destruct (bool_dec (v 0%nat) (v 1%nat)) as [E1|E1]; destruct (bool_dec (v 0%nat) (v 2%nat)) as [E2|E2].
    + apply (constant _ (2 / 3) v (v 0%nat)); [lra| |].
      * intros j Hj. rewrite G, Nat.eqb_refl by easy. field.
      * intros [|[|[|j]]] Hj; try lia; easy.
    + destruct (three_centres (s * z 2%nat)%vec (s * z 0%nat)%vec (s * z 1%nat)%vec)
        as (x & y & A & B & C & D0 & D1 & D2); try (rewrite G by lia; easy).
      destruct (v 2%nat) eqn:E; [exists x, y|exists y, x; rewrite swap]; repeat split; try easy;
        intros [|[|[|j]]] Hj; try lia; rewrite ?E; rewrite <- ?E1; destruct (v 0%nat); easy.
    + destruct (three_centres (s * z 1%nat)%vec (s * z 0%nat)%vec (s * z 2%nat)%vec)
        as (x & y & A & B & C & D0 & D1 & D2); try (rewrite G by lia; easy).
      destruct (v 1%nat) eqn:E; [exists x, y|exists y, x; rewrite swap]; repeat split; try easy;
        intros [|[|[|j]]] Hj; try lia; rewrite ?E; rewrite <- ?E2; destruct (v 0%nat); easy.
    + destruct (three_centres (s * z 0%nat)%vec (s * z 1%nat)%vec (s * z 2%nat)%vec)
        as (x & y & A & B & C & D0 & D1 & D2); try (rewrite G by lia; easy).
      destruct (v 0%nat) eqn:E; [exists x, y|exists y, x; rewrite swap]; repeat split; try easy;
        intros [|[|[|j]]] Hj; try lia; rewrite ?E; destruct (v 1%nat), (v 2%nat); easy.
  - (* four and more *)
    set (n := (S (S (S (S k))))) in *. exists z. intros v.
    destruct (simplex_centres n z v ltac:(unfold n; lia) Hz) as (plus & minus & A & B & C & D).
    exists plus, minus. repeat split; try easy. intros j Hj. change (threshold n) with (sqrt (1 - 1 / (INR n - 1))).
    unfold norm. now apply sqrt_le_1_alt, D.
Qed.

Lemma threshold_range k : (2 <= k)%nat -> 1 / 2 <= threshold k < 1.
Proof.
  intros Hk. destruct k as [|[|[|[|k]]]]; try lia; simpl threshold; try lra.
  set (n := (S (S (S (S k))))). change (1 / 2 <= sqrt (1 - 1 / (INR n - 1)) < 1).
  assert (K := large n ltac:(unfold n; lia)).
  assert (HN : 1 / (INR n - 1) <= 1 / 3).
  { apply Rmult_le_compat_l; [lra|]. apply Rinv_le_contravar; lra. }
  assert (HN0 : 0 < 1 / (INR n - 1)) by (apply Rdiv_lt_0_compat; lra).
  assert (E0 : sqrt (1 - 1 / (INR n - 1)) ^ 2 = 1 - 1 / (INR n - 1)) by (apply pow2_sqrt; lra).
  assert (P0 := sqrt_pos (1 - 1 / (INR n - 1))). split; nra.
Qed.

(** Scaled: with tau = rho delta / threshold, which is at least delta. *)
Lemma figure_scaled {X : inner_space} k (z : nat -> X) rho delta :
  (2 <= k)%nat -> simplex k z -> 0 < delta -> threshold k <= rho -> rho <= 1 ->
  exists z' : nat -> X, forall v : nat -> bool, exists plus minus : X,
    (2 * delta <= norm (plus - minus) /\ (rho = 1 -> 2 * delta < norm (plus - minus))) /\
    norm plus <= 4 * delta /\ norm minus <= 4 * delta /\
    forall j, (j < k)%nat -> norm (z' j - if v j then plus else minus) <= rho * delta.
Proof.
  intros Hk Hz Hd Hr Hr1. destruct (threshold_range k Hk) as [L0 U0].
  destruct (figure k z Hk Hz) as (z1 & Hz1).
  set (r0 := threshold k) in *. assert (P0 : 0 < r0) by lra.
  set (tau := rho * delta / r0).
  assert (T1 : delta <= tau).
  { unfold tau. apply Rmult_le_reg_r with r0; [easy|].
    replace (rho * delta / r0 * r0) with (rho * delta) by (field; lra). nra. }
  assert (T2 : tau <= 2 * delta).
  { unfold tau. apply Rmult_le_reg_r with r0; [easy|].
    replace (rho * delta / r0 * r0) with (rho * delta) by (field; lra). nra. }
  exists (fun j => (tau * z1 j)%vec). intros v.
  destruct (Hz1 v) as (plus & minus & Hsep & Np & Nm & Hnear).
  assert (scaled : forall x y : X, norm (tau * x - tau * y)%vec = tau * norm (x - y)).
  { intros x y. transitivity (Rabs tau * norm (x - y)); [|now rewrite Rabs_pos_eq by lra].
    rewrite <- norm_vscal. f_equal. rewrite vscal_vadd, !vscal_vscal. f_equal. f_equal. ring. }
  exists (tau * plus)%vec, (tau * minus)%vec. rewrite scaled, !norm_vscal, Rabs_pos_eq by lra.
  assert (NP := norm_pos plus). assert (NM := norm_pos minus).
  split; [|split; [|split]]; try nra.
  - split; [nra|]. intros ->. assert (delta < tau); [|nra].
    unfold tau. apply Rmult_lt_reg_r with r0; [easy|].
    replace (1 * delta / r0 * r0) with delta by (field; lra). nra.
  - intros j Hj. specialize (Hnear j Hj).
    replace (if v j then (tau * plus)%vec else (tau * minus)%vec)
      with (tau * if v j then plus else minus)%vec by now destruct (v j).
    rewrite scaled. replace (rho * delta) with (tau * r0) by (unfold tau; field; lra).
    apply Rmult_le_compat_l; lra.
Qed.
